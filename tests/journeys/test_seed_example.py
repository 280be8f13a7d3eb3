"""The seed's own example, over HTTP: may submit forms, may not send an email without approval."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from approvals.models import Grant
from audit import chain, sql, triggers
from audit.models import Entry, Seal
from audit.operations import seal
from costs.models import CostRollup, Usage
from costs.operations import roll_up
from tests.journeys.installation import AgentClient, Installation, Person, build

FORM = {"url": "https://jobs.example.com/apply", "name": "Ada"}
MAIL = {"to": ["jane@acme.com", "bob@acme.com"], "subject": "Application", "body": "Dear Jane"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def installation(transactional_db: None) -> Installation:
    return build()


@pytest.fixture
def agent(installation: Installation, live_server: LiveServer) -> AgentClient:
    return AgentClient(live_server.url, installation.key)


def test_form_is_allowed_and_what_only_looks_like_it_is_refused(agent: AgentClient) -> None:
    allowed = agent.ask("form-1", verb="form.submit", payload=FORM)
    assert (allowed.status_code, allowed.json()["effect"]) == (200, "allow")
    assert allowed.json()["grant"]["state"] == "redeemed"

    def form(**changes: object) -> dict[str, object]:
        return {"verb": "form.submit", "payload": FORM, **changes}

    def mail(**changes: object) -> dict[str, object]:
        return {"verb": "email.send", "payload": MAIL, **changes}

    def to(url: str) -> dict[str, object]:
        return form(payload={**FORM, "url": url})

    refused = {
        "look-alike host": (to("https://jobs.example.com.evil.test/apply"), "no_rule"),
        "another host": (to("https://xjobs.example.com/apply"), "no_rule"),
        "unknown verb": (form(verb="form.delete"), "unknown_verb"),
        "other recipients": (mail(destination="email:eve@acme.com"), "declaration_mismatch"),
        "other units": (mail(units=1), "declaration_mismatch"),
        "other capability": (form(capability="read"), "declaration_mismatch"),
        "too many": (form(units=26), "batch_too_large"),
    }
    for name, (action, code) in refused.items():
        answer = agent.ask(name, **action)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["effect"] == "deny", name
        assert code in {reason["code"] for reason in answer.json()["reasons"]}, name
        assert "grant" not in answer.json()


def test_email_is_held_edited_by_one_approved_by_another_and_redeemed_once(
    agent: AgentClient, live_server: LiveServer
) -> None:
    held = agent.ask("mail-1", verb="email.send", payload=MAIL, purpose="They asked for it.")
    assert held.status_code == 202
    assert held.headers["Retry-After"]
    action, approval = held.json()["id"], held.json()["approval"]["id"]
    assert agent.redeem(action, held.json()["digest"], "early").status_code == 409

    editor, approver = Person(live_server.url, "talent-reviewer"), Person(live_server.url, "second-reviewer")
    page = editor.call("GET", f"/api/v1/approvals/{approval}")
    assert page.status_code == 200, page.text
    assert page.json()["action"]["payload"] == MAIL
    shorter = {**MAIL, "to": ["jane@acme.com"]}
    edited = editor.call(
        "PUT", f"/api/v1/approvals/{approval}/action", {"payload": shorter}, **{"If-Match": page.headers["ETag"]}
    )
    assert edited.status_code == 200, edited.text
    own = editor.call(
        "POST", f"/api/v1/approvals/{approval}/votes",
        {"verdict": "approve", "digest": edited.json()["digest"], "comment": ""},
        **{"If-Match": edited.headers["ETag"]},
    )  # fmt: skip
    assert own.status_code == 403, own.text

    stale = approver.call(
        "POST", f"/api/v1/approvals/{approval}/votes",
        {"verdict": "approve", "digest": page.json()["digest"], "comment": ""}, **{"If-Match": page.headers["ETag"]},
    )  # fmt: skip
    assert stale.status_code == 412
    seen = approver.call("GET", f"/api/v1/approvals/{approval}")
    vote = approver.call(
        "POST", f"/api/v1/approvals/{approval}/votes",
        {"verdict": "approve", "digest": seen.json()["digest"], "comment": "fine"},
        **{"If-Match": seen.headers["ETag"]},
    )  # fmt: skip
    assert vote.status_code == 200, vote.text
    assert vote.json()["state"] == "approved"

    digest = seen.json()["digest"]
    wrong = agent.redeem(action, held.json()["digest"], "redeem-1")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "payload_mismatch")
    assert Entry.objects.filter(kind="security.payload_mismatch").count() == 1
    redeemed = agent.redeem(action, digest, "redeem-1")
    assert redeemed.status_code == 200, redeemed.text
    assert json.loads(redeemed.json()["canonical"])["payload"] == shorter
    assert agent.redeem(action, digest, "redeem-1").json() == {**redeemed.json(), "replayed": True}
    again = agent.redeem(action, digest, "redeem-2")
    assert (again.status_code, again.json()["code"]) == (409, "already_redeemed")

    assert agent.outcome(action, status="succeeded", note="250 OK").status_code == 200
    assert agent.outcome(action, status="succeeded", note="250 OK").status_code == 200
    assert agent.outcome(action, status="failed").status_code == 409
    assert Grant.objects.get().state == "succeeded"


def test_usage_is_priced_rolled_up_exactly_and_the_trail_proves_it_all(
    agent: AgentClient, installation: Installation
) -> None:
    allowed = agent.ask("form-1", verb="form.submit", payload=FORM).json()
    now = sql.now().isoformat()
    usage = {
        "provider": "openai", "model": "gpt-4o-mini", "input_uncached": 1200, "cache_read": 0, "cache_write": 0,
        "output": 350, "reasoning": 0,
    }  # fmt: skip
    steps = [
        {
            "type": "step", "event_id": f"s{index}", "run_id": "run-1", "name": "draft", "kind": "llm",
            "started_at": now, "duration_ms": 900, "status": "succeeded", "usage": usage, "action_id": allowed["id"],
        }
        for index in range(3)
    ]  # fmt: skip
    answer = agent.http.post("/api/v1/ingest", json={"items": steps + steps[:1]})
    assert answer.status_code == 200, answer.text
    assert [item["status"] for item in answer.json()["results"]] == ["created"] * 3 + ["duplicate"]
    roll_up(now=sql.now())
    raw = sum(Usage.objects.values_list("cost_nanousd", flat=True))
    for grain in ("hour", "day"):
        rolled = sum(CostRollup.objects.filter(grain=grain).values_list("cost_nanousd", flat=True))
        assert rolled == raw > 0
    while seal(now=sql.now()):
        pass
    assert chain.check(chain.stored_links()).verdict is chain.Verdict.INTACT
    assert Entry.objects.filter(kind="action.decided").count() == 1

    victim = Seal.objects.get(entry_id=Entry.objects.get(kind="action.decided").pk)
    triggers.remove()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_entry SET outcome = 'deny' WHERE kind = 'action.decided'")
    triggers.install()
    finding = chain.check(chain.stored_links())
    assert (finding.verdict, finding.seq) == (chain.Verdict.TAMPERED, victim.seq)


def test_same_key_gives_the_first_answer_again_and_another_body_is_refused(agent: AgentClient) -> None:
    first = agent.ask("k", verb="form.submit", payload=FORM).json()
    again = agent.ask("k", verb="form.submit", payload=FORM).json()
    assert again == {**first, "replayed": True}
    other = agent.ask("k", verb="form.submit", payload={**FORM, "name": "Bob"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
