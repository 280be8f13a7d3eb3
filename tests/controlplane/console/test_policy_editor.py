"""The policy editor: forms and YAML are one document, sentences and tests follow, nothing is kept until it is saved."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from controlplane.apply import dumping, loading
from controlplane.console.admins import list_of, page_of
from controlplane.console.policies import workbench
from controlplane.console.policies.sheets import merge
from policies.models import Revision
from policies.operations import revise_draft, save_draft
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import POLICIES, SCRIPT, Scene
from tests.world import make_admin, make_verbs

pytestmark = pytest.mark.slow

RULES = "/job-applications/rules"
# Every kind of rule, written in the shapes that people use.
ODD = f"""\
odd:
  applies_to: {{teams: [talent]}}
  rules:
    - allow: {{name: a, verb: [form.submit], destination: "https://a.example/x,y", batch: 3, obligations: [log:full]}}
    - review: {{name: b, verb: "email.**", queue: auto/outreach, provenance: {{at: /to/*, from: [web, tool]}}}}
    - forbid: {{name: c, amount_over: {{value: "10.50", currency: USD}}, when: "action.units > 3"}}
    - limit: {{name: d, units: 200, per: 1d, by: agent}}
    - split: {{name: e, sum: amount, max: {{value: "99", currency: EUR}}, per: 1h}}
    - hours: {{name: f, zone: Europe/Berlin, days: fri-mon, from: "09:00", until: "24:00", holidays: [2026-12-25]}}
    - freeze: {{name: g, from: 2026-12-24, until: "2026-12-26T10:00", zone: UTC}}
  tests:
    - {{action: {{verb: form.submit, payload: {{"n": [1, 2.5, null], "s": "{html.escape("ü")}"}}}}, expect: deny}}
"""


def text_of(shown: str) -> str:
    found = re.search(r'<textarea name="document"[^>]*>\n?(.*?)</textarea>', shown, re.DOTALL)
    assert found, shown
    return html.unescape(found[1]).replace("\r\n", "\n")


def fields_of(shown: str) -> dict[str, Any]:
    """Return what a browser would send of the open form."""
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", shown):
        read = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if not re.match(r"f-|open$|was$", read.get("name", "")):
            continue
        value = html.unescape(read.get("value", ""))
        if read.get("type") != "checkbox":
            sent[read["name"]] = value
        elif re.search(r"\schecked", tag):
            sent.setdefault(read["name"], []).append(value)
    for name, value in re.findall(r'<textarea [^>]*name="(f-\w+)"[^>]*>(.*?)</textarea>', shown, re.DOTALL):
        sent[name] = html.unescape(value)
    for name, options in re.findall(r'<select [^>]*name="(f-\w+)"[^>]*>(.*?)</select>', shown, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        sent[name] = html.unescape(chosen[1]) if chosen else ""
    return sent


class Desk:
    """One person at the editor: what they see is sent back as a browser does it."""

    def __init__(self, client: Client, url: str) -> None:
        self.client, self.url = client, url
        self.take(client.get(url))

    def take(self, answer: Any) -> None:
        self.answer, self.shown = answer, answer.content.decode()
        if 'name="document"' in self.shown:
            self.text, self.fields = text_of(self.shown), fields_of(self.shown)
            seen = re.search(r'name="seen" value="(\w+)"', self.shown)
            self.seen = seen[1] if seen else ""

    def do(self, act: str, *, text: str | None = None, **fields: Any) -> Desk:
        sent = self.fields | {f"f-{name}": value for name, value in fields.items()}
        sent |= {"act": act, "document": self.text if text is None else text, "seen": self.seen, "reason": "why"}
        self.take(self.client.post(self.url, sent))
        return self

    @property
    def document(self) -> Any:
        return loading.load(self.text).value


@pytest.fixture
def draft(scene: Scene) -> Revision:
    return save_draft(policies=POLICIES, by=scene.world.operator, now=scene.now, reason="Try")


@pytest.fixture
def desk(scene: Scene, visit: Visit, draft: Revision) -> Desk:
    return Desk(visit(scene.world.operator), page_of(draft, "edit"))


def test_a_rule_added_by_its_form_is_in_the_text_and_said_in_a_sentence(desk: Desk, draft: Revision) -> None:
    entries = Entry.objects.count()
    desk.do(f"add {RULES}/ forbid").do("look", name="no-reports", verb="report.*, form.read")
    assert "<strong>Never report.* or form.read.</strong>" in desk.shown
    assert desk.document["job-applications"]["rules"][-1] == {
        "forbid": {"name": "no-reports", "verb": ["report.*", "form.read"]}
    }
    assert "What it changes" in desk.shown
    assert Entry.objects.count() == entries, "nothing is kept before it is saved"
    desk.do("look", destination="https://x.example/*").do("apply")
    assert 'name="open"' not in desk.shown
    assert desk.do("save").answer.status_code == 302
    draft.refresh_from_db()
    assert len(draft.document["job-applications"]["rules"]) == 5
    assert Entry.objects.get(kind="policy_revision.redrafted").actor_id == "talent-operator"


def test_each_rule_opens_and_closes_without_a_change(desk: Desk) -> None:
    desk.do("yaml", text=ODD)
    assert "✓ It can be read." in desk.shown
    before = loading.load(ODD).value
    places = [f"/odd/rules/{index}" for index in range(7)] + ["/odd/tests/0", "/odd/policy/"]
    for place in places:
        desk.do(f"open {place}").do("look")
        assert "<strong>" in desk.shown or "rules" not in place, place
        desk.do("apply")
        assert desk.text == ODD, f"{place}: whoever changes nothing keeps every letter, comments too"
    for place in places[:7]:
        desk.do(f"open {place}").do("look", name=f"x{place[-1]}").do("apply")
    for index, rule in enumerate(before["odd"]["rules"]):
        next(iter(rule.values()))["name"] = f"x{index}"
    assert desk.document == before, "only what was changed is another"
    assert loading.load(dumping.dump(before)).value == before


def test_a_form_that_writes_all_its_fields_anew_is_caught(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted twin: what the person did not touch is written as the form would say it."""

    def anew(groups: Any, part: Any, *, was: Any, posted: Any, order: Any = ()) -> Any:
        return merge(groups, part, was=dict.fromkeys(was, "never shown"), posted=posted, order=order)

    monkeypatch.setattr(workbench, "merge", anew)
    desk.do("yaml", text=ODD).do("open /odd/rules/5").do("apply", name="x5")
    hours = desk.document["odd"]["rules"][5]["hours"]
    assert hours["days"] == ["mon", "fri", "sat", "sun"], "fri-mon is gone"


@pytest.mark.parametrize(
    ("kind", "fields", "name"),
    [
        ("allow", {"batch": "many"}, "batch"),
        ("allow", {"name": "Not a slug"}, "name"),
        ("allow", {"name": "mail"}, "name"),
        ("review", {"queue": "nobody"}, "queue"),
        ("forbid", {"verb": "a..b"}, "verb"),
        ("forbid", {"destination": "https://u@x/"}, "destination"),
        ("forbid", {"amount_value": "1"}, "amount_value"),
        ("forbid", {"when": "action.("}, "when"),
        ("limit", {"per": "soon"}, "per"),
        ("limit", {"units": ""}, "units"),
        ("split", {"max": "-"}, "counts"),
        ("hours", {"zone": "Mars/Olympus"}, "zone"),
        ("hours", {"until": "25:00"}, "until"),
        ("freeze", {"from": "soon", "until": "2026-12-24"}, "from"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_the_text_stays(desk: Desk, kind: str, fields: Any, name: str) -> None:
    before = desk.text
    desk.do(f"add {RULES}/ {kind}").do("look", **fields)
    assert re.search(rf'id="error-{name}" role="alert">[^<]+<', desk.shown), desk.shown
    assert desk.text == before
    assert desk.do("save").answer.status_code == 422
    for key, value in fields.items():
        assert desk.fields[f"f-{key}"] == value, "what was typed stays"
    desk.do("close")
    assert 'name="open"' not in desk.shown


def test_text_and_form_follow_each_other(desk: Desk) -> None:
    desk.do(f"open {RULES}/2")
    assert desk.fields["f-units"] == "200"
    # What is typed into the text stands in the open form.
    desk.do("yaml", text=desk.text.replace("units: 200", "units: 321"))
    assert desk.fields["f-units"] == "321"
    assert "At most 321 units" in desk.shown
    # Without a script both may have been changed: each keeps what was changed there.
    desk.do("apply", text=desk.text.replace("per: 1d", "per: 2d"), units="7")
    rule = desk.document["job-applications"]["rules"][2]["limit"]
    assert (rule["units"], rule["per"]) == (7, "2d")


def test_text_that_cannot_be_read_is_told_by_line_and_the_form_waits(desk: Desk) -> None:
    desk.do(f"open {RULES}/2").do("look", text="a: [", units="77")
    assert "<strong>Line 1</strong>" in desk.shown
    assert (desk.fields["f-units"], desk.text) == ("77", "a: [")
    desk.do("close", text=f"forms:\n  rules:\n    - allow: {{nme: '{SCRIPT}'}}\n")
    assert "<strong>Line 3</strong>" in desk.shown
    assert "Cannot be read yet" in desk.shown
    assert SCRIPT not in desk.shown


def test_rules_are_moved_and_deleted_and_policies_added_and_removed(desk: Desk) -> None:
    def names() -> list[str]:
        return [next(iter(rule.values()))["name"] for rule in desk.document["job-applications"]["rules"]]

    assert names() == ["submit", "mail", "pace", "no-money-in-chat"]
    desk.do(f"down {RULES}/0").do(f"up {RULES}/3").do(f"up {RULES}/0").do(f"drop {RULES}/3")
    assert names() == ["mail", "submit", "no-money-in-chat"]
    desk.do("add //policy/ policy").do("apply", slug="pay", teams="talent", mode="enforce")
    assert desk.document["pay"] == {"applies_to": {"teams": ["talent"]}, "mode": "enforce", "rules": []}
    desk.do("add //policy/ policy").do("apply", slug="pay")
    assert "Another policy has this name." in desk.shown
    desk.do("close").do("open /pay/policy/").do("apply", teams="", agents="job-applier")
    assert desk.document["pay"]["applies_to"] == {"agents": ["job-applier"]}
    desk.do("drop /pay/policy/")
    assert list(desk.document) == ["job-applications"]


def test_tests_run_as_one_writes(desk: Desk) -> None:
    assert "Tests: ✓ 1 passed, ✕ 0 failed." in desk.shown
    desk.do(f"open {RULES}/1").do("look", verb="report.read")
    assert "✓ 0 passed, ✕ 1 failed" in desk.shown
    desk.do("close").do("add /job-applications/tests/ test")
    desk.do("look", verb="form.submit", payload='{"url": "https://jobs.example.com/x"}', expect="allow")
    assert "✓ 1 passed, ✕ 1 failed" in desk.shown
    desk.do("look", payload="{")
    assert re.search(r'id="error-payload" role="alert">[^<]+<', desk.shown)
    desk.do("close").do("drop /job-applications/tests/0")
    assert "✓ 1 passed, ✕ 0 failed" in desk.shown


def test_what_a_draft_changes_is_told_by_rule_and_word(scene: Scene, visit: Visit, desk: Desk) -> None:
    desk.do(f"open {RULES}/2").do("apply", units="300").do(f"drop {RULES}/0").do(f"add {RULES}/ forbid")
    desk.do("apply", name="none", verb="report.read").do("save")
    shown = visit(scene.world.auditor).get(page_of(Revision.objects.get(number=2))).content.decode()
    assert "<h3>job-applications: changed</h3>" in shown
    assert "<mark>200</mark>" in shown
    assert "<mark>300</mark>" in shown
    assert "<mark>none: Never report.read.</mark>" in shown
    assert "mail: May" not in re.search(r'id="in-words".*?</section>', shown, re.DOTALL)[0]  # type: ignore[index]


def test_of_two_who_saved_the_same_reading_one_is_told_and_loses_nothing(
    scene: Scene, desk: Desk, draft: Revision
) -> None:
    desk.do(f"open {RULES}/2").do("look", units="5")
    revise_draft(revision=draft, seen=draft.digest, policies={}, by=scene.world.admin, now=scene.now)
    desk.do("save")
    assert desk.answer.status_code == 412
    assert "saved by somebody else" in desk.shown
    assert desk.document["job-applications"]["rules"][2]["limit"]["units"] == 5


def test_whoever_drafts_nothing_writes_nothing(scene: Scene, visit: Visit, draft: Revision) -> None:
    for person, url in (
        (scene.world.owner, page_of(draft, "edit")),
        (scene.world.auditor, page_of(draft, "edit")),
        (scene.world.auditor, reverse("admin:policies_revision_draft")),
    ):
        sent = {"act": "look", "document": "a: b", "seen": draft.digest}
        answer = visit(person).post(url, sent)
        assert answer.status_code == 403
        assert 'name="document"' not in answer.content.decode()


@pytest.mark.parametrize(
    "act", ["", "open", "open x", "open ///", "add /no/rules/ allow", f"add {RULES}/ magic", "x" * 9]
)
def test_a_button_that_nobody_drew_does_nothing(desk: Desk, act: str) -> None:
    before = desk.text
    for broken in ({}, {"open": f"{RULES}/99", "was": "{}"}, {"open": f"{RULES}/0", "was": "[" * 5000}):
        desk.fields = dict(broken)
        assert desk.do(act or " ").answer.status_code == 200
        assert desk.text == before


def test_what_python_takes_for_the_same_is_written(desk: Desk) -> None:
    desk.do("yaml", text="a:\n  rules:\n    - limit: {name: x, units: true, per: 1d}\n")
    assert "Line 3" in desk.shown
    desk.do("open /a/rules/0").do("look", units="1")
    assert desk.document["a"]["rules"][0]["limit"]["units"] is not True
    assert "At most 1 units of anything in 1d." in desk.shown


def test_a_secret_does_not_get_into_the_text_by_a_form(desk: Desk) -> None:
    before = desk.text
    desk.do("add /job-applications/tests/ test").do("look", payload=json.dumps({"k": "ghp_" + "a1B2" * 9}))
    assert desk.text == before
    assert "document stays as it was" in desk.shown


def test_an_empty_installation_begins_with_one_of_three(db: None, visit: Visit) -> None:
    client = visit(make_admin())
    listed = client.get(list_of(Revision)).content.decode()
    for name in ("mail", "forms", "payments"):
        assert f"?template={name}" in listed
        started = Desk(client, f"{reverse('admin:policies_revision_draft')}?template={name}")
        assert list(started.document) == [name]
        assert "✓ It can be read." in started.shown
    bare = Desk(client, reverse("admin:policies_revision_draft"))
    bare.do("start payments").do("save")
    assert bare.answer.status_code == 302
    assert list(Revision.objects.get().document) == ["payments"]


def test_a_template_passes_its_own_tests_with_the_verbs_of_the_guides(db: None, visit: Visit) -> None:
    admin = make_admin()
    make_verbs(by=admin)
    for name in ("mail", "forms"):
        started = Desk(visit(admin), f"{reverse('admin:policies_revision_draft')}?template={name}")
        assert "Tests: ✓ 1 passed, ✕ 0 failed." in started.shown, name
