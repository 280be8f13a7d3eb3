"""An agent's callback address: admitted by the operator's list, kept unreadable, called once after people decided."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection
from standardwebhooks import Webhook

from approvals.models import ApprovalRequest, Callback
from approvals.operations import cancel_request, expire_request
from approvals.tasks import SWEEPER
from audit import sql
from audit.models import Entry
from controlplane import atrest
from controlplane.delivery.models import Delivery
from controlplane.delivery.operations.callbacks import callback_secret
from controlplane.delivery.readers.callbacks import CALLBACKS
from controlplane.delivery.states import DeliveryState
from controlplane.outgoing import UnsafeUrl
from policies.models import Payload
from tests.approvals.steps import FORM, MAIL, ask, say
from tests.delivery.sink import NAME, Received, Sink, listening
from tests.delivery.steps import read_on, send
from tests.journeys.installation import Installation, build

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "hold_failclosed.workflow.json"
SIGNATURE = "9753fb98cd831ec4a507cbca6f1c4d21112eab12823bf89840dbadd77e1847d4"


class N8n:
    """An n8n whose workflow waits: it resumes once, as 2.40 was seen to do.

    Args:
        sink: the receiver.
        early: how many calls come before the execution waits.
    """

    def __init__(self, sink: Sink, *, early: int = 0) -> None:
        self.early = early
        self.resumed: list[Any] = []
        self.acted = 0
        self.url = f"http://{NAME}:{sink.port}/webhook-waiting/69?signature={SIGNATURE}"
        sink.answer = self._answer

    def _answer(self, got: Received) -> tuple[int, Mapping[str, str], bytes]:
        if f"signature={SIGNATURE}" not in got.path:
            return 401, {}, b'{"error": "Invalid token"}'
        if self.early:
            self.early -= 1
            return 409, {}, b'{"code": 409, "message": "The execution \\"69\\" is running already."}'
        if self.resumed:
            return 409, {}, b'{"code": 409, "message": "The execution \\"69 has finished already."}'
        self.resumed.append(json.loads(got.body))
        # The template's condition, in its own words.
        self.acted += self.resumed[0].get("approved") is True
        return 200, {}, b'{"message": "Workflow was started"}'


@pytest.fixture
def installation(db: None, settings: Any) -> Installation:
    settings.CALLBACK_HOSTS = (NAME,)
    return build()


@pytest.fixture
def n8n() -> Any:
    with listening() as sink:
        yield N8n(sink)


def _hold(installation: Installation, url: str, key: str = "mail") -> ApprovalRequest:
    answer = ask(installation, key, **MAIL, callback_url=url)
    return ApprovalRequest.objects.get(decision=answer.id)


def _deliver(*, after: timedelta = timedelta(seconds=1)) -> None:
    now = sql.now() + after
    read_on(CALLBACKS, now=now)
    send(now)


@pytest.mark.parametrize(("verdict", "approved", "effect"), [("approve", True, "allow"), ("reject", False, "deny")])
def test_people_decide_and_the_workflow_hears(
    installation: Installation, n8n: N8n, verdict: str, approved: bool, effect: str
) -> None:
    request = _hold(installation, n8n.url)
    _deliver()
    assert n8n.resumed == []
    say(request, "talent-reviewer", verdict)
    _deliver()
    assert n8n.resumed == [{"action_id": str(request.decision_id), "approved": approved, "effect": effect}]
    assert n8n.acted == approved
    assert not Callback.objects.exists()
    assert Delivery.objects.get().state == DeliveryState.DELIVERED
    _deliver()
    assert Delivery.objects.count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_nobody_approved_is_told_as_that(installation: Installation, n8n: N8n, end: str) -> None:
    request = _hold(installation, n8n.url)
    if end == "expired":
        expire_request(request=request, by=SWEEPER, now=request.expires_at)
    else:
        cancel_request(request=request, by=SWEEPER, now=sql.now(), reason="not needed")
    _deliver()
    assert [told["approved"] for told in n8n.resumed] == [False]
    assert n8n.acted == 0


@pytest.mark.slow
def test_a_workflow_that_does_not_wait_yet_is_called_again(installation: Installation, n8n: N8n) -> None:
    n8n.early = 2
    say(_hold(installation, n8n.url), "talent-reviewer")
    _deliver()
    row = Delivery.objects.get()
    assert (row.state, n8n.resumed) == (DeliveryState.RETRYING, [])
    for _ in range(2):
        row.refresh_from_db()
        send(row.due_at)
    row.refresh_from_db()
    assert (row.state, row.attempts, n8n.acted) == (DeliveryState.DELIVERED, 0, 1)


@pytest.mark.slow
def test_what_is_sent_is_signed(installation: Installation) -> None:
    with listening() as sink:
        n8n = N8n(sink)
        say(_hold(installation, n8n.url), "talent-reviewer")
        now = sql.now() + timedelta(seconds=1)
        _deliver()
        (got,) = sink.received
        with time_machine.travel(now, tick=False):
            Webhook(callback_secret("job-applier")).verify(got.body, got.headers)


def test_the_address_is_readable_nowhere(installation: Installation, n8n: N8n, caplog: Any, client: Any) -> None:
    request = _hold(installation, n8n.url)
    kept = Callback.objects.get()
    assert atrest.open_sealed(kept.url, place=Callback.place(request.pk)) == n8n.url
    with pytest.raises(atrest.Unreadable):
        atrest.open_sealed(kept.url, place=Callback.place(request.decision_id))
    assert b"callback_url" not in bytes(Payload.objects.get(pk=request.decision_id).body)
    client.force_login(installation.admin)
    pages = [
        client.get(path).content.decode()
        for path in (
            f"/approvals/approvalrequest/{request.pk}/",
            f"/policies/decision/{request.decision_id}/",
            f"/api/v1/approvals/{request.pk}",
            f"/api/v1/decisions/{request.decision_id}",
        )
    ]
    say(request, "talent-reviewer")
    _deliver()
    assert SIGNATURE not in "".join([caplog.text, *pages])
    for model in apps.get_models():
        for row in model._default_manager.values_list():
            assert SIGNATURE not in str(row), model
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM policies_payload")
        assert all(SIGNATURE.encode() not in bytes(body) for (body,) in cursor.fetchall())


@pytest.mark.slow
def test_the_same_question_again_keeps_one_address(installation: Installation, n8n: N8n) -> None:
    first = ask(installation, "mail", **MAIL, callback_url=n8n.url)
    again = ask(installation, "mail", **MAIL, callback_url=n8n.url)
    assert (again.replayed, again.id) == (True, first.id)
    assert Callback.objects.count() == 1


@pytest.mark.slow
def test_nothing_is_kept_where_nobody_is_asked(installation: Installation, n8n: N8n) -> None:
    assert ask(installation, "form", **FORM, callback_url=n8n.url).effect == "allow"
    assert ask(installation, "dry", **MAIL, callback_url=n8n.url, dry_run=True).effect == "review"
    assert not Callback.objects.exists()


UNLISTED = (
    "https://elsewhere.example/hook", "http://169.254.169.254/latest", "ftp://sink.test/", "https://a@sink.test/", "",
    "https://sink.test.evil.example/", "https://127.0.0.1/", "sink.test", "http://sink.test:0/", "//sink.test/x",
)  # fmt: skip


def test_an_address_outside_the_list_is_refused_with_one_text(installation: Installation) -> None:
    for url in UNLISTED:
        with pytest.raises(UnsafeUrl) as refused:
            ask(installation, "mail", **MAIL, callback_url=url)
        assert refused.value.errors[0].pointer == "/callback_url"
        assert refused.value.detail == UnsafeUrl().detail
    assert not ApprovalRequest.objects.exists()


def test_a_host_that_left_the_list_is_called_no_more(installation: Installation, n8n: N8n, settings: Any) -> None:
    request = _hold(installation, n8n.url)
    settings.CALLBACK_HOSTS = ()
    say(request, "talent-reviewer")
    _deliver()
    assert (n8n.resumed, Delivery.objects.count(), Callback.objects.count()) == ([], 0, 0)
    dropped = Entry.objects.get(kind="approval.callback", object_id=str(request.pk))
    assert dropped.outcome == "dropped"


def test_the_template_goes_on_only_on_a_true_approval() -> None:
    workflow = json.loads(GUIDE.read_text())
    nodes = {node["name"]: node for node in workflow["nodes"]}
    links = {
        name: [[to["node"] for to in way] for way in ways["main"]] for name, ways in workflow["connections"].items()
    }
    assert set(links) | {to for ways in links.values() for way in ways for to in way} == set(nodes)
    # Whatever resumes the wait, its time limit included, meets the strict test first.
    assert links["Wait for people"] == [["Approved?"]]
    (test,) = nodes["Approved?"]["parameters"]["conditions"]["conditions"]
    assert test["leftValue"] == "={{ $json.body?.approved === true }}"
    assert nodes["Approved?"]["parameters"]["conditions"]["options"]["typeValidation"] == "strict"
    assert links["Approved?"] == [["Read what was approved"], ["Denied"]]
    assert links["Read what was approved"] == [["Redeem"]]
    assert links["Redeem"] == [["Act"]]
    (at_once,) = nodes["Allowed?"]["parameters"]["conditions"]["conditions"]
    assert at_once["leftValue"] == "={{ $json.effect === 'allow' && $json.replayed === false }}"
    assert links["Allowed?"] == [["Act at once"], ["Denied"]]
    assert "callback_url: $execution.resumeUrl" in nodes["Ask leave"]["parameters"]["jsonBody"]
    # No way leads to an acting node but these, and an error stops the workflow.
    for act in ("Act", "Act at once"):
        assert [name for name, ways in links.items() if any(act in way for way in ways)] in (["Redeem"], ["Allowed?"])
    assert not any("onError" in node or "continueOnFail" in node for node in workflow["nodes"])
