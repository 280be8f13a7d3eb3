"""Django's page that explains a fault to its author, without secrets: it is there with ``CONTROLPLANE_DEBUG`` alone.

Django hides what has a secret name and shows the rest. Here what has a secret's form is hidden too, wherever it stands:
in settings, in the request, in the local variables of each frame.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator
from pprint import pformat
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from runs.redaction import MARK, is_secret_name, redact_text

_LONGEST = 4096
# What holds secrets that have no form of their own, or holds them percent-encoded.
_WHOLLY_HIDDEN = frozenset({"ENVIRONMENT", "KEYRING", "QUERY_STRING", "RAW_URI", "REQUEST_URI"})


class _Text(str):
    """Text that is shown as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(value: Any) -> _Text:
    if isinstance(value, HttpRequest):
        # Its own text holds the query.
        return _Text(f"<{type(value).__name__}: {value.method} {redact_text(value.path)!r}>")
    try:
        text = pformat(value)
    except Exception as error:  # noqa: BLE001  # whatever an object's own repr does, the page goes on
        text = f"Its repr raised {type(error).__name__}"
    return _Text(redact_text(text[:_LONGEST]))


class Filter(SafeExceptionReporterFilter):
    """What the page may show of settings, request and variables."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Hide by name, and by form."""
        if key in _WHOLLY_HIDDEN:
            return self.cleansed_substitute
        cleansed = super().cleanse_setting(key, value)
        return redact_text(cleansed) if type(cleansed) is str else cleansed

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return what was posted."""
        return dict(self.pairs(request.POST)) if request is not None else {}

    def pairs(self, query: QueryDict) -> Iterator[tuple[str, str]]:
        """Return names and values of a query or form."""
        for name, value in query.items():
            yield redact_text(name), MARK if is_secret_name(name) else redact_text(str(value))

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        """Return the variables of a frame as text."""
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: MARK if is_secret_name(name) else _shown(value) for name, value in found}.items()


class Reporter(ExceptionReporter):
    """The page."""

    def get_traceback_data(self) -> dict[str, Any]:
        """Return what the page shows."""
        data: dict[str, Any] = super().get_traceback_data()
        if self.request is not None:
            data["request_GET_items"] = list(Filter().pairs(self.request.GET))
            # Without its query, which is listed beside it.
            data["request_insecure_uri"] = redact_text(data["request_insecure_uri"].partition("?")[0])
        data["exception_value"] = redact_text(data.get("exception_value", ""))
        return data
