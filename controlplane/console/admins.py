"""What every list and object page of the console has in common.

guardian does not filter Django's admin: here rows that a person may not see are not in the
queryset, and nothing is added, changed or deleted by a stock form. Writing goes through the
dialogs (`controlplane.console.dialogs`), which call operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from controlplane.console.people import viewer
from registry.models import User
from registry.states import Role

if TYPE_CHECKING:
    from controlplane.console.dialogs import Dialog

EVERYBODY = frozenset(Role.values)
READERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER, Role.AUDITOR})
_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Empty:
    """What an empty list says.

    Attributes:
        text: what it means.
        hint: the next step.
        code: a command to copy, or empty.
    """

    text: str
    hint: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """Opens a dialog.

    Attributes:
        label: verb and object.
        url: of the dialog.
        tone: ``main``, ``danger`` or empty.
        obstacle: why this person cannot; the button is disabled then.
    """

    label: str
    url: str
    tone: str = ""
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a sheet; `value` is text, or markup that a template tag made."""

    label: str
    value: Any
    code: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page of an object that needs no drawing of its own."""

    heading: str
    facts: tuple[Fact, ...]
    buttons: tuple[Button, ...] = ()


class ConsoleAdmin(ModelAdmin):
    """A list and an object page, read only, of what the person may see.

    Attributes:
        plural: what the pages are called; the model's own plural when left out.
        roles: who has these pages at all.
        related: what the queryset joins.
        page_template: of the object page.
        dialogs: of one object, by the word in their address.
        list_dialogs: of the list.
        empty: what the empty list says.
        default_tab: value of the tab that is open when the address names none.
    """

    plural: ClassVar[str] = ""
    roles: ClassVar[frozenset[str]] = READERS
    related: ClassVar[tuple[str, ...]] = ()
    page_template: ClassVar[str] = "console/sheet.html"
    dialogs: ClassVar[Mapping[str, type[Dialog]]] = {}
    list_dialogs: ClassVar[Mapping[str, type[Dialog]]] = {}
    empty: ClassVar[Empty] = Empty("Nothing here yet.")

    change_list_template = "console/list.html"
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None
    search_help_text = "Search"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the person has these pages."""
        user = request.user
        return isinstance(user, User) and user.is_active and user.role in self.roles

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the person has these pages and sees the object."""
        return self.has_module_permission(request) and (
            obj is None or self.get_queryset(request).filter(pk=obj.pk).exists()
        )

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is added by a stock form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is changed by a stock form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted by a stock form."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the person may see."""
        rows: QuerySet[Any] = self.visible(viewer(request))
        # Without names it would join every foreign key there is.
        return rows.select_related(*self.related) if self.related else rows

    def visible(self, user: User) -> QuerySet[Any]:
        """Return the rows that a person may see."""
        rows: QuerySet[Any] = self.model._default_manager.visible_to(user)
        return rows

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses: list, dialogs, object. There are no stock forms."""
        label = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name=f"{label}_changelist"),
            *(
                path(f"do/{word}/", wrap(view.as_view(pages=self)), name=f"{label}_{word}")
                for word, view in self.list_dialogs.items()
            ),
            *(
                path(f"<str:object_id>/{word}/", wrap(view.as_view(pages=self)), name=f"{label}_{word}")
                for word, view in self.dialogs.items()
            ),
            path("<str:object_id>/", wrap(self.change_view), name=f"{label}_change"),
        ]

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object.

        Raises:
            Http404: missing, or not theirs to see: the answer is the same.
        """
        row = self.get_object(request, object_id) if self.has_module_permission(request) else None
        if row is None:
            raise Http404
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Show the object's page."""
        if request.method not in _READING:
            return HttpResponseNotAllowed(_READING)
        return self.show(request, self.found(request, object_id))

    def show(self, request: HttpRequest, row: Any, *, status: int = 200) -> HttpResponse:
        """Render the page of an object."""
        page = self.page(request, row)
        context = {"page": page, "title": page.heading, "row": row, "has_view_permission": True}
        return self.render(request, self.page_template, context, status=status)

    def page(self, request: HttpRequest, row: Any) -> Any:
        """Return the frozen dataclass that the page shows."""
        raise NotImplementedError

    def render(
        self, request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200
    ) -> HttpResponse:
        """Render a page inside the console's frame."""
        request.current_app = self.admin_site.name
        up = {"list_url": list_of(self.model), "list_name": self.called}
        frame = {**self.admin_site.each_context(request), **up, **context}
        return TemplateResponse(request, template, frame, status=status)

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Show the list; nothing can be posted to it."""
        if request.method not in _READING:
            return HttpResponseNotAllowed(_READING)
        context = {
            "title": self.called,
            "buttons": self.list_buttons(request),
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            response.context_data |= _around(response.context_data["cl"])
        return response

    @property
    def called(self) -> str:
        """What the pages are called."""
        return self.plural or str(self.opts.verbose_name_plural).capitalize()

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Return the buttons above the list."""
        return ()

    def address(self, row: Any, word: str = "change") -> str:
        """Return the address of an object's page or dialog."""
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{word}", args=[row.pk])


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a list, as it is drawn; `tab` where it is the row of tabs."""

    title: str
    choices: tuple[Mapping[str, Any], ...]
    tab: bool

    @property
    def chosen(self) -> str:
        """What is chosen now."""
        return next((str(choice["display"]) for choice in self.choices if choice["selected"]), "All")


def _around(cl: Any) -> dict[str, Any]:
    """Return what the list shows around its rows. Nothing is counted: a full page may have a next one."""
    filters = tuple(
        Filter(str(spec.title), tuple(spec.choices(cl)), getattr(spec, "is_tab", False)) for spec in cl.filter_specs
    )
    first, full = cl.page_num == 1, len(cl.result_list) == cl.list_per_page
    return {
        "filters": filters,
        "is_filtered": bool(cl.filter_params) or not first,
        "previous_page": "" if first else cl.get_query_string({"p": cl.page_num - 1}),
        "next_page": cl.get_query_string({"p": cl.page_num + 1}) if full else "",
    }


def page_of(row: Model, word: str = "change") -> str:
    """Return the address of an object's page or dialog in the console."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{word}", args=[row.pk])


def list_of(model: type[Model], query: str = "") -> str:
    """Return the address of a list, filtered by a query string."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{url}?{query}" if query else url
