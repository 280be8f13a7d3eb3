"""What the views for people share: who calls, lists, and one of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.refusals import Missing
from controlplane.api.authentication import PersonAuthentication
from controlplane.api.filters import StrictFilters, refuse_parameters
from controlplane.api.floods import FloodGuard
from controlplane.api.pages import CursorPages
from controlplane.api.shapes import problems
from registry.models import User

Reads = TypeVar("Reads", bound="type[ListView | DetailView]")


def person_of(request: Request) -> User:
    """Return the person who calls; the view's permission has let nobody else in."""
    return cast("User", request.user)


class PersonView(APIView):
    """A view for people. They come by session; their tokens will be read here too."""

    authentication_classes = (PersonAuthentication,)
    permission_classes = (IsAuthenticated,)
    throttle_classes = (FloodGuard,)


class ListView(PersonView, ListAPIView[Any]):
    """A list of what the person may see: filters, ordering, cursor pages.

    Subclasses name ``queryset`` (with what it joins), ``serializer_class``, ``filterset_class`` and
    ``orderings``: columns that are never null, the usual one first.
    """

    pagination_class = CursorPages
    filter_backends = (StrictFilters,)
    orderings: ClassVar[tuple[str, ...]] = ("-id",)

    def get_queryset(self) -> QuerySet[Any]:
        """Return the visible rows."""
        rows: Any = super().get_queryset()
        return visible_rows(rows, person_of(self.request))


class DetailView(PersonView):
    """One of what the person may see. The path's variables are the lookups.

    Subclasses name ``queryset`` and ``serializer_class``.
    """

    queryset: ClassVar[Any]
    serializer_class: ClassVar[Any]

    def get(self, request: Request, **path: Any) -> Response:
        """Read it."""
        refuse_parameters(request)
        return self.show(self.find(request, **path))

    def find(self, request: Request, **path: Any) -> Any:
        """Return the row that the path names.

        Raises:
            Missing: there is none, or it is not theirs to see; the answer is the same.
        """
        return find(visible_rows(self.queryset, person_of(request)), **path)

    def show(self, row: Model, *, status: int = 200) -> Response:
        """Render a row."""
        return Response(self.serializer_class(row).data, status=status)


def visible_rows(queryset: Any, user: User) -> QuerySet[Any]:
    """Return what a person may see, by the rows' own rule."""
    return cast("QuerySet[Any]", queryset.all().visible_to(user))


def find(rows: QuerySet[Any], **where: Any) -> Any:
    """Return the one row.

    Raises:
        Missing: there is none.
    """
    row = rows.filter(**where).first()
    if row is None:
        raise Missing
    return row


def reads(operation_id: str) -> Callable[[Reads], Reads]:
    """Describe the GET of a list or of one of it for the schema.

    Args:
        operation_id: its name there.
    """

    def describe(view: Reads) -> Reads:
        is_list = issubclass(view, ListView)
        shape: Any = view.serializer_class
        responses = {200: shape(many=True) if is_list else shape, **problems(400, 401, *(() if is_list else (404,)))}
        return extend_schema_view(get=extend_schema(operation_id=operation_id, responses=responses))(view)

    return describe
