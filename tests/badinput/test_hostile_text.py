"""Agents' words that attack whoever reads them: kept as they are, escaped and made visible on every page."""

from __future__ import annotations

import re

import pytest

from controlplane import gateway
from policies.models import Decision
from runs.models import Run
from tests.controlplane.api.callers import agent, person
from tests.controlplane.api.scene import FORM, MAIL, Scene, principal, run, step
from tests.secrets.looking import pages

pytestmark = pytest.mark.slow

MARK = "zqhostile"
HOSTILE = {
    "script": f"<script>alert('{MARK}')</script>",
    "attribute": f"\" onmouseover=\"alert('{MARK}')",
    "image": f"<img src=x onerror=alert('{MARK}')>",
    "template": f"{{{{ {MARK} }}}}{{% debug %}}",
    "formula": f'=HYPERLINK("http://evil.example","{MARK}")',
    "terminal": f"\x1b[2J\x1b]0;{MARK}\x07",
    "direction": f"\u202e{MARK}\u202c\u2066x",
    "invisible": f"{MARK}\u200b\u200d\ufeff\u00ad",
    "link": f"javascript:alert('{MARK}')",
}  # fmt: skip
_RAW = re.compile(
    r"<script>alert|<img src=x|\" onmouseover=\"alert|href=\"javascript:|\x1b|[\u202a-\u202e\u2066-\u2069]"
)


def test_hostile_words_are_kept_and_never_act(scene: Scene) -> None:
    caller = agent(scene.world.text)
    for name, text in HOSTILE.items():
        asked = caller.send(
            "POST", "/actions", {**FORM, "purpose": text, "task": text, "step": text}, Idempotency_Key=name
        )
        assert asked.status_code == 200, asked.content
        stored = Decision.objects.get(pk=asked.json()["id"])
        assert (stored.purpose, stored.task, stored.step) == (text, text, text)
        items = [
            run(f"{name}-run", task=text, output_summary=text, status="failed", error={"type": text, "message": text}),
            step(
                f"{name}-step",
                f"{name}-run",
                name=text,
                error={"type": text, "message": text},
                input=text,
                output=[text],
            ),
        ]
        gateway.ingest(principal=principal(scene.world), items=items)
        assert Run.objects.get(event_id=f"{name}-run").output_summary == text
    mail = {**MAIL, "payload": {"to": ["jane@acme.com"], "body": " ".join(HOSTILE.values())}}
    assert caller.send("POST", "/actions", mail, Idempotency_Key="hostile-mail").status_code == 202
    told = 0
    for who in ("admin", "operator", "reviewer", "owner"):
        for address, text in pages(person(getattr(scene.world, who)).client, most=60).items():
            told += MARK in text
            found = _RAW.search(text)
            assert found is None, (who, address, text[max(0, found.start() - 200) : found.end() + 100])
    assert told > 10
