"""Log lines are structured, carry the request's id and no secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from controlplane import logging
from controlplane.environment import for_children

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import logging, structlog
from controlplane import logging as ours
ours.configure(ours.options(style={style!r}, level="info"))
structlog.contextvars.bind_contextvars(request_id="r-1")
structlog.get_logger("a").info("hello", token="s3cret", amount=1)
logging.getLogger("b").warning("plain %s", "words", extra=dict(password="s3cret"))
logging.getLogger("c").info("below") if {style!r} == "never" else None
try:
    api_key = "s3cret"
    raise ValueError("broken")
except ValueError:
    structlog.get_logger("d").exception("failed")
"""


def _lines(style: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(style=style)], cwd=ROOT, env=for_children(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "s3cret" not in done.stderr.replace('api_key = "s3cret"', "")
    return done.stderr.splitlines()


def test_json_lines_carry_request_id_and_hide_secrets() -> None:
    structured, plain, failed = (json.loads(line) for line in _lines("json"))
    assert (structured["event"], structured["token"], structured["amount"]) == ("hello", "[hidden]", 1)
    assert (plain["event"], plain["password"]) == ("plain words", "[hidden]")
    assert failed["exception"][0]["exc_value"] == "broken"
    assert {line["request_id"] for line in (structured, plain, failed)} == {"r-1"}


def test_console_lines_are_readable() -> None:
    lines = _lines("console")
    assert "hello" in lines[0]
    assert "r-1" in lines[0]


def test_mask_secrets_goes_by_the_name() -> None:
    event: dict[str, Any] = {"Authorization": "Bearer x", "status": 200}
    assert logging.mask_secrets(None, "info", event) == {"Authorization": "[hidden]", "status": 200}
