"""Tools stand for verbs: one each, told by the catalogue; what it does not name is held for people."""

from __future__ import annotations

from typing import Any

import pytest

from audit import sql
from audit.refusals import Conflict, Refusal
from controlplane.apply import apply_document, export_document
from controlplane.console.admins import page_of
from policies.models import Decision
from registry.catalogue import DocumentInvalid, dump_verb, parse_verb, parse_verbs
from registry.models import Verb
from registry.operations import revert_verb, save_verb
from tests.controlplane.api.callers import TOKEN, person
from tests.forms import over
from tests.protocols.aap.scene import FORM, MAIL, Framework, decide
from tests.world import World


def _apply(world: World, text: str) -> None:
    apply_document(text=text, by=world.admin, now=sql.now(), dry_run=False)


def _decision(answer: Any) -> Decision:
    assert answer.status_code == 201, answer.content
    return Decision.objects.get(pk=answer.json()["id"])


def test_a_tool_with_its_server_is_another_tool(agent: Framework) -> None:
    mail = {**MAIL, "tool": "send", "server": "mail"}
    assert _decision(agent.ask("a", mail)).verb == "email.send"
    for key, foreign in (("b", {**mail, "server": "evil"}), ("c", {**MAIL, "tool": "send"}),
                         ("d", {**MAIL, "server": "evil"}), ("e", {**MAIL, "tool": "Send_email"})):  # fmt: skip
        assert _decision(agent.ask(key, foreign)).verb == "tool.unmapped"


def test_an_unmapped_tool_is_held_whatever_is_allowed(world: World, agent: Framework) -> None:
    _apply(world, "policies: {wide: {rules: [{allow: {name: all, verb: '**'}}]}}")
    shell = {"tool": "shell", "arguments": {"command": "rm -rf /"}, "timeout": "5m"}
    asked = agent.ask("a", shell)
    assert (asked.json()["status"], _decision(asked).effect) == ("pending", "review")
    assert [reason["policy"] for reason in _decision(asked).reasons] == ["verb-catalogue"]
    request = asked.json()["id"]
    decide(request, world)
    assert agent.consume(request, "c").json()["consumption"]
    # What the policies forbid stays forbidden.
    _apply(world, "policies: {wide: {rules: [{forbid: {name: none, verb: tool.unmapped}}]}}")
    assert agent.ask("b", shell).json()["status"] == "denied"


def test_without_a_queue_an_unmapped_tool_is_denied_and_says_why(world: World, agent: Framework) -> None:
    _apply(world, "policies: {wide: {rules: [{allow: {name: all, verb: '**'}}]}}")
    Verb.objects.get(name="tool.unmapped").delete()
    save_verb(name="report.read", spec={"capability": "notify"}, by=world.admin, now=sql.now())
    denied = agent.ask("a", {**FORM, "tool": "shell"}).json()
    assert denied["status"] == "denied"
    assert denied["decision"]["note"].startswith("No verb of the catalogue stands for this tool.")


def test_a_mapping_holds_from_the_next_request_on_and_replays_stay(world: World, agent: Framework) -> None:
    other = {**FORM, "tool": "fill_in"}
    first = agent.ask("a", other)
    assert _decision(first).verb == "tool.unmapped"
    _apply(world, "verbs: {form.submit: {capability: write, destination: {at: /url}, tools: [submit_form, fill_in]}}")
    assert _decision(agent.ask("b", other)).verb == "form.submit"
    again = agent.ask("a", other)
    assert (again.status_code, again.json()) == (200, first.json())


def test_one_verb_each(world: World) -> None:
    with pytest.raises(Conflict, match=r"“send_email” stands for email\.send and report\.read"):
        save_verb(name="report.read", spec={"capability": "read", "tools": ["send_email"]}, by=world.admin,
                  now=sql.now())  # fmt: skip
    with pytest.raises(Refusal, match="a tool stands for one verb"):
        _apply(world, "verbs: {report.read: {capability: read, tools: [send_email]}}")
    both = "verbs: {a.b: {capability: read, tools: [x]}, c.d: {capability: read, tools: [x]}}"
    with pytest.raises(Refusal, match="a tool stands for one verb"):
        _apply(world, both)
    assert not Verb.objects.filter(name="a.b").exists()


def test_one_document_moves_tools_between_verbs(world: World) -> None:
    _apply(world, "verbs: {a.b: {capability: read, tools: [x]}, c.d: {capability: read, tools: [y]}}")
    _apply(world, "verbs: {a.b: {capability: read, tools: [y]}, c.d: {capability: read, tools: [x]}}")
    assert Verb.objects.get(name="c.d").spec["tools"] == ["x"]


def test_history_gives_no_tool_to_a_second_verb(world: World) -> None:
    _apply(world, "verbs: {a.b: {capability: read, tools: [x]}}")
    verb = Verb.objects.get(name="a.b")
    earlier = verb.history.first().history_id
    _apply(world, "verbs: {a.b: {capability: read}, c.d: {capability: read, tools: [x]}}")
    with pytest.raises(Conflict):
        revert_verb(verb=verb, record_id=earlier, by=world.admin, now=sql.now())


def test_export_writes_what_apply_read(world: World) -> None:
    exported = export_document(by=world.admin, now=sql.now())
    assert "send_email" in exported
    apply_document(text=exported, by=world.admin, now=sql.now(), dry_run=False)
    assert export_document(by=world.admin, now=sql.now()) == exported


def test_entries_are_read_and_written_alike() -> None:
    spec = {"capability": "read", "tools": ["a", {"tool": "a", "server": "s"}, "b"], "review": "desk"}
    assert dump_verb(parse_verb("x.y", spec)) == spec


@pytest.mark.parametrize(
    ("tools", "pointer"),
    [(["a", "a"], "/tools/1"), ([""], "/tools/0"), (["a b"], "/tools/0"), (["x" * 201], "/tools/0"), ([7], "/tools/0"),
     ([{"tool": "a"}], "/tools/0/server"), ([{"tool": "a", "server": ""}], "/tools/0/server"),
     ([{"tool": "a", "server": "s", "more": 1}], "/tools/0/more"), ("a", "/tools"), (["a\0"], "/tools/0")],
)  # fmt: skip
def test_what_is_no_tool_is_refused(tools: Any, pointer: str) -> None:
    with pytest.raises(DocumentInvalid) as found:
        parse_verb("x.y", {"capability": "read", "tools": tools})
    assert found.value.errors[0].pointer == pointer


def test_the_unmapped_verb_needs_a_queue_and_names_no_tools() -> None:
    for spec in ({"capability": "execute"}, {"capability": "execute", "review": "q", "tools": ["x"]},
                 {"capability": "execute", "review": "No Queue"}):  # fmt: skip
        with pytest.raises(DocumentInvalid):
            parse_verbs({"tool.unmapped": spec})


@pytest.mark.slow
def test_the_console_shows_and_saves_them(world: World) -> None:
    client = person(world.admin).client
    verb = Verb.objects.get(name="email.send")
    edit = page_of(verb, "edit")
    assert "send mail\nsend_email" in client.get(edit).content.decode()
    fields = {"capability": "notify", "destination": "/to/*", "destination_as": "email", "units": "count",
              "tools": "post mail\n\nsend_email", "review": "outreach", "csrfmiddlewaretoken": TOKEN}  # fmt: skip
    assert client.post(edit, over(client, edit, fields)).status_code == 302
    verb.refresh_from_db()
    assert (verb.spec["tools"], verb.spec["review"]) == ([{"tool": "post", "server": "mail"}, "send_email"], "outreach")
    refused = client.post(edit, over(client, edit, {**fields, "tools": "a b c"}))
    assert (refused.status_code, "without spaces" in refused.content.decode()) == (422, True)


def test_a_queue_that_does_not_exist_denies(world: World, agent: Framework) -> None:
    save_verb(name="tool.unmapped", spec={"capability": "notify", "review": "nobody"}, by=world.admin, now=sql.now())
    denied = agent.ask("a", {**FORM, "tool": "shell"}).json()
    assert denied["status"] == "denied"
    assert "nobody" in denied["decision"]["note"]
