"""Structured logs: one line per event with the request's id, as JSON or for reading."""

from __future__ import annotations

import logging.config
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from runs.redaction import redact_text

# Names whose values never reach a log, wherever a caller puts them.
_SECRET_NAMES = frozenset(
    {"authorization", "cookie", "key", "password", "pepper", "secret", "secret_key", "signature", "token", "x-api-key"}
)
_ROUTINE = ("celery.app.trace", "celery.beat", "celery.worker.strategy", "django_structlog.celery")


def options(*, style: str, level: str) -> dict[str, Any]:
    """Return the ``LOGGING`` setting.

    Args:
        style: ``json`` or ``console``.
        level: least severe level that is written.
    """
    return {"style": style, "level": level.upper()}


def configure(chosen: dict[str, Any]) -> None:
    """Set up logging for this process. Django calls it as its ``LOGGING_CONFIG``.

    Args:
        chosen: what `options` returned.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    # Periodic tasks come every second: that they came and went is news only to whoever hunts a fault.
    routine = "WARNING" if chosen["level"] == "INFO" else chosen["level"]
    as_json = chosen["style"] == "json"
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        # A traceback's local variables hold keys and payloads.
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last += [structlog.processors.ExceptionRenderer(traceback), redact_line]
        last += [structlog.processors.JSONRenderer(default=str)]
    else:
        last += [structlog.processors.format_exc_info, redact_line]
        last += [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder(), mask_secrets],
                    "processors": last,
                },
            },
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["console"], "level": chosen["level"]},
            "loggers": {
                # Our own line per request says the same with a duration.
                "django.server": {"level": "WARNING", "propagate": True, "handlers": []},
                "django.request": {"level": "ERROR"},
                # Strangers' probes: the request's line with its 400 is enough.
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                "httpx": {"level": "WARNING"},
                **{name: {"level": routine} for name in _ROUTINE},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def redact_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take secrets of known forms out of a line: an address, an error's words, what a library says of a request.

    Django hands whole requests to its own lines; their text holds the query, which is nobody's to read.
    """
    event.pop("request", None)
    return {name: _redacted(value) for name, value in event.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    if isinstance(value, str):
        return redact_text(value)
    return value if isinstance(value, int | float | None) else redact_text(str(value))


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of fields whose names say that they are secret."""
    for name in event:
        if name.lower() in _SECRET_NAMES:
            event[name] = "[hidden]"
    return event
