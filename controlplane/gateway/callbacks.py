"""An agent's callback address: read strictly, encrypted for its row, in nothing else that is kept."""

from __future__ import annotations

from django.conf import settings

from approvals.models import ApprovalRequest, Callback
from approvals.operations import keep_callback
from controlplane import atrest
from controlplane.outgoing import UnsafeUrl, read_url

_POINTER = "/callback_url"


def check_callback(url: str) -> None:
    """Refuse an address that we would not call: agents name hosts of the operator's list alone.

    Raises:
        UnsafeUrl: it is none of these; the text is one for all.
    """
    listed = frozenset(host.lower() for host in settings.CALLBACK_HOSTS)
    if not read_url(url, internal_hosts=listed, pointer=_POINTER).internal:
        raise UnsafeUrl(_POINTER)


def keep(request: ApprovalRequest, url: str) -> None:
    """Keep where to call when people have decided, in the gateway's transaction."""
    keep_callback(request=request, sealed=atrest.seal(url, place=Callback.place(request.pk)))
