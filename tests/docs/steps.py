"""What the documentation asks of a person, taken as a program: ``steps.py approve talent-reviewer``.

The console's own buttons are driven by the browser tests; here the person's deed only has to be done.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.request
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "n8n"
FORM = {"url": "https://jobs.example.com/apply", "name": "Ada"}


def approve(username: str) -> None:
    """Approve everything that waits, as this person."""
    import django

    from controlplane import environment

    environment.use_settings()
    django.setup()

    from approvals.models import ApprovalRequest
    from audit import sql
    from tests.approvals.steps import say

    # What runs in the background of a page may only be on its way.
    until = time.monotonic() + 60
    while not (waiting := list(ApprovalRequest.objects.in_time(sql.now()))):
        assert time.monotonic() < until, "nothing waits"
        time.sleep(0.2)
    for request in waiting:
        say(request, username)


def save(name: str, sample: str) -> None:
    """Save what n8n answered, from a captured sample."""
    shutil.copy(SAMPLES / sample, Path(os.environ["READER"]) / name)


def node(name: str, answer: str) -> None:
    """Send what the first HTTP node of a file describes, its expressions filled in as by n8n; keep the answer."""
    folder = Path(os.environ["READER"])
    parameters = json.loads((folder / name).read_text())["nodes"][0]["parameters"]
    headers = {entry["name"]: _filled(entry["value"]) for entry in parameters["headerParameters"]["parameters"]}
    # The credential's header, and what n8n adds for a JSON body.
    headers |= {"Authorization": f"Bearer {os.environ['AGENT_KEY']}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        parameters["url"], data=_filled(parameters["jsonBody"]).encode(), headers=headers, method=parameters["method"]
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        (folder / answer).write_bytes(reply.read())


def _filled(text: str) -> str:
    form = json.dumps({"verb": "form.submit", "payload": FORM})
    known = {
        "{{ $workflow.id }}": "w1",
        "{{ $execution.id }}": "7",
        "{{ JSON.stringify({verb: 'form.submit', payload: $json}) }}": form,
    }
    for expression, value in known.items():
        text = text.replace(expression, value)
    assert "{{" not in text, f"no test knows the expression in {text}"
    return text.removeprefix("=")


if __name__ == "__main__":
    {"approve": approve, "save": save, "node": node}[sys.argv[1]](*sys.argv[2:])
