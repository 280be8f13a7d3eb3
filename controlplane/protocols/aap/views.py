"""The protocol over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from audit import sql
from audit.refusals import Malformed
from controlplane import outgoing
from controlplane.api.authentication import principal_of
from controlplane.api.bodies import read_raw, read_struct
from controlplane.api.filters import refuse_parameters
from controlplane.api.machines import MachineView, json_response
from controlplane.api.waiting import wait_for
from controlplane.gateway.bodies import read_key
from controlplane.parking import Kind, Topic
from controlplane.protocols.aap import calls, instances
from controlplane.protocols.aap.errors import MissingKey, exception_handler
from controlplane.protocols.aap.reading import MAX_SUBMISSION, read_duration
from controlplane.protocols.aap.requests import Seen, find_request
from registry.states import KeyScope

_LONGEST_WAIT = 30
_REPORT = 16 * 1024


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of an outcome."""

    status: Annotated[str, msgspec.Meta(pattern="^(succeeded|failed)$")]
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)] | msgspec.UnsetType = msgspec.UNSET


class AapView(MachineView):
    """A view for agents' keys whose errors are the protocol's. Its contract is the protocol's own OpenAPI document."""

    scope = KeyScope.ACT
    schema = None

    def get_exception_handler(self) -> Callable[..., HttpResponse | None]:
        """Return the protocol's."""
        return exception_handler


def _told(seen: Seen, *, status: int = 200) -> HttpResponse:
    return HttpResponse(seen.as_text(), status=status, content_type="application/json")


def _key(request: Request) -> str:
    given: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if not given:
        raise MissingKey
    return read_key(given)


def _refuse_body(request: Request) -> None:
    """Refuse a body where there is nothing to say."""
    if (request.META.get("CONTENT_LENGTH") or "0") != "0" and read_raw(request, limit=_REPORT).strip() != b"{}":
        raise Malformed("This call takes no body.")


class RequestsView(AapView):
    """Asking."""

    def post(self, request: Request) -> HttpResponse:
        """Ask whether a tool call may run."""
        refuse_parameters(request)
        raw = read_raw(request, limit=MAX_SUBMISSION)
        seen, fresh = calls.create(principal=principal_of(request), key=_key(request), raw=raw)
        return _told(seen, status=201 if fresh else 200)


class RequestView(AapView):
    """One request."""

    def get(self, request: Request, request_id: UUID) -> HttpResponse:
        """Read it; with `wait`, once it has its final answer, or the wait ends."""
        refuse_parameters(request, "wait")
        principal = principal_of(request)
        wait = request.GET.get("wait")
        seen = wait_for(
            lambda: find_request(principal=principal, request_id=request_id),
            done=lambda found: found.resolved is not None,
            seconds=0 if wait is None else min(read_duration(wait, at="/wait"), _LONGEST_WAIT),
            request=request,
            topic=_topic,
        )
        return _told(seen)

    def delete(self, request: Request, request_id: UUID) -> HttpResponse:
        """Withdraw it while it is pending."""
        _refuse_body(request)
        return _told(calls.cancel(principal=principal_of(request), request_id=request_id))


def _topic(seen: Seen) -> Topic:
    # What is pending is pending with people.
    return Topic(Kind.APPROVAL, seen.approval.pk if seen.approval else seen.id)


class ConsumeView(AapView):
    """Taking leave."""

    def post(self, request: Request, request_id: UUID) -> HttpResponse:
        """Take leave to start the call, once."""
        _refuse_body(request)
        return _told(calls.consume(principal=principal_of(request), request_id=request_id, key=_key(request)))


class OutcomeView(AapView):
    """Reporting."""

    def post(self, request: Request, request_id: UUID) -> HttpResponse:
        """Say what came of the call, once."""
        body: OutcomeBody = read_struct(request, OutcomeBody, limit=_REPORT)
        seen = calls.report(
            principal=principal_of(request),
            request_id=request_id,
            succeeded=body.status == "succeeded",
            note="" if body.note is msgspec.UNSET else str(body.note),
        )
        return _told(seen)


class InstancesView(AapView):
    """Provisioning. The agent's own key is the provisioner's token, and the credential: none is issued by a token."""

    def post(self, request: Request) -> HttpResponse:
        """Register an installation, and its receiver once that has shown that it expects this."""
        refuse_parameters(request)
        principal = principal_of(request)
        raw = read_raw(request, limit=_REPORT)
        made = instances.provision(principal=principal, key=_key(request), raw=raw, guard=outgoing.guard())
        presented = request.META["HTTP_AUTHORIZATION"].partition(" ")[2].strip()
        body = {"instance": instances.told(made.instance), "credential": instances.credential(principal, presented)}
        return json_response(body, status=201 if made.fresh else 200)


class InstanceView(AapView):
    """One instance."""

    def get(self, request: Request, instance_id: UUID) -> HttpResponse:
        """Read it."""
        refuse_parameters(request)
        found = instances.find_instance(principal=principal_of(request), instance_id=instance_id)
        return json_response(instances.told(found))

    def delete(self, request: Request, instance_id: UUID) -> HttpResponse:
        """Tell it nothing more."""
        _refuse_body(request)
        instances.remove(principal=principal_of(request), instance_id=instance_id, now=sql.now())
        return HttpResponse(status=204)


@csrf_exempt
def nothing(_request: HttpRequest, **_path: Any) -> HttpResponse:
    """Answer every other address below ``/aap/``.

    Raises:
        Http404: always.
    """
    raise Http404
