"""Secrets in every text of every body, document and import file: taken out, or refused where nothing may be taken out.

The exact bytes of an action are the one exception, by promise (semantics 3).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import transaction

from controlplane.apply import DocumentRefused
from controlplane.apply.loading import load
from runs.models import Run, Step
from runs.redaction import has_secret, redact_text, secret_places
from tests.badinput.samples import SAMPLES, Call, Route, Sample
from tests.controlplane.api.callers import Caller, agent, person
from tests.controlplane.api.conftest import _scene, scene
from tests.controlplane.api.scene import FORM, Scene
from tests.secrets.canaries import FORMS, Canary
from tests.secrets.carrying import carry, kept, text_of
from tests.secrets.leaves import Path as At
from tests.secrets.leaves import renamed, replaced, shape, texts
from tests.secrets.looking import found_in, logs

__all__ = ["_scene", "scene"]

pytestmark = [pytest.mark.slow, pytest.mark.once]

_SAMPLES = Path(__file__).parent.parent / "samples" / "n8n"
N8N = [_SAMPLES / f"execution{name}.json" for name in ("-retry", "-hold", "-llm", "s-waiting")]
COMPANY = Path(__file__).parent.parent / "controlplane" / "apply" / "example.yaml"
PLANTED = tuple(each for each in FORMS if each.name in {"GitHub token", "URL with a password", "password in a query"})
TEXT = "because " + " and ".join(each.text for each in PLANTED)
# Where the exact bytes of an action are kept.
EXACT = frozenset({"approvals_actionrevision", "policies_decision.body", "policies_payload"})


# Everything that an agent may say of an action in words.
WORDY = Sample(
    make=lambda _: Call(
        body={
            **FORM, "capability": "write", "destination": "https://jobs.example.com/apply", "data_classes": ["pii"],
            "data_scopes": ["candidates"], "provenance": {"/url": "user"}, "run_id": "run-1", "step": "send",
            "task": "apply", "purpose": "apply", "executor": "self", "amount": {"value": "1.00", "currency": "USD"},
        },
        headers={"Idempotency_Key": uuid4().hex},
    ),
)  # fmt: skip
Found = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Input:
    """One text of a body, in whose place another one is sent.

    Attributes:
        route: where to.
        call: the rest of what is sent.
        caller: by whom.
        path: where in the body.
    """

    route: Route
    call: Call
    caller: Caller
    path: At

    def send(self, text: str, planted: Sequence[Canary], found: Found) -> int:
        """Send it, take back what it did, and return the status; `found` is told what was kept of secrets."""
        body = replaced(self.call.body, self.path, lambda _: text)
        with transaction.atomic():
            answer = self.caller.send(self.route.method, self.route.fill(self.call.values), body, **self.call.headers)
            places = {place for place in kept(planted) if not _exact(self.path, place)}
            transaction.set_rollback(True)
        assert answer.status_code < 500, self
        if places:
            found.setdefault(f"{self.route} {shape(self.path)}", set()).update(places)
        return int(answer.status_code)


def inputs(scene: Scene) -> Iterator[Input]:
    """Yield every text of every body, each in a world in which the body is accepted."""
    for route, sample in [*SAMPLES.items(), (Route("POST", "api/v1/actions"), WORDY)]:
        with transaction.atomic():
            call, caller = sample.make(scene), sample.caller(scene)
            for path in texts(call.body):
                yield Input(route, call, caller, path)
            transaction.set_rollback(True)


def test_a_secret_in_any_text_of_any_body_is_kept_nowhere(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    found: Found = {}
    with logs() as written:
        statuses = [each.send(TEXT, PLANTED, found) for each in inputs(scene)]
    assert found == {}
    assert found_in(written.getvalue(), PLANTED) == []
    accepted = sum(status < 300 for status in statuses)
    with capsys.disabled():
        print(f"\nsecrets in bodies: {accepted} accepted without them, {len(statuses) - accepted} refused")
    assert accepted > 20


@pytest.mark.long(minutes=1)
def test_secrets_of_every_form_in_any_text_of_any_body_are_kept_nowhere(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    found: Found = {}
    with logs() as written:
        taken = [carry(partial(each.send, planted=FORMS, found=found)) for each in inputs(scene)]
    assert found == {}
    assert found_in(written.getvalue(), FORMS) == []
    whole = taken.count(len(FORMS))
    with capsys.disabled():
        print(f"\nsecrets of every form: {len(taken)} texts of bodies, {whole} took all, {taken.count(0)} none")
    assert whole > 20


def test_a_secret_is_no_name(scene: Scene) -> None:
    secret, machine, reviewer = PLANTED[0], agent(scene.world.text), person(scene.world.reviewer)
    names: dict[str, dict[str, Any]] = {
        "/verb": {"verb": f"mail.{secret.text}"},
        "/data_classes/1": {"data_classes": ["pii", secret.text]},
        "/data_scopes/0": {"data_scopes": [secret.text]},
        "/provenance": {"provenance": {f"/{secret.text}": "user"}},
    }
    answers = {
        pointer: machine.send("POST", "/actions", {**FORM, **change}, Idempotency_Key="name")
        for pointer, change in names.items()
    }
    edit = {"data_classes": [secret.text]}
    answers["/data_classes/0"] = reviewer.send("PUT", f"/approvals/{scene.held.pk}/action", edit, If_Match='"1"')
    for pointer, answer in answers.items():
        assert answer.status_code == 422, pointer
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [(pointer, "secret")]
        assert secret.core not in answer.content.decode()
    assert kept(PLANTED) == {}
    # The same key is still good: nothing was decided.
    assert machine.send("POST", "/actions", FORM, Idempotency_Key="name").json()["effect"] == "allow"


def test_a_text_with_every_form_is_redacted_word_by_word() -> None:
    clean = redact_text(text_of())
    assert found_in(clean, FORMS) == []
    assert clean.count("because ") == len(FORMS)


def _exact(path: At, place: str) -> bool:
    """Say whether it is part of an action, and stands where its exact bytes do."""
    return ("payload" in path or "destination" in path) and any(place.startswith(each) for each in EXACT)


def test_a_secret_anywhere_in_a_document_is_refused_with_its_line(scene: Scene, tmp_path: Path) -> None:
    company = yaml.load(COMPANY.read_text(), Loader=yaml.BaseLoader)
    file, tried = tmp_path / "company.yaml", 0
    for path in texts(company):
        for change in (replaced(company, path, lambda _: TEXT), _named(company, path)):
            file.write_text(yaml.safe_dump(change, sort_keys=False, width=1000, default_style='"'))
            with pytest.raises(CommandError) as refused:
                call_command("apply", str(file), by="admin", stdout=io.StringIO())
            tried += 1
            said = str(refused.value)
            assert found_in(said, PLANTED) == [], path
            (line,) = [
                number for number, text in enumerate(file.read_text().splitlines(), 1) if PLANTED[0].core in text
            ]
            assert f"{file}:{line}:" in said, path
            assert "secret" in said
    assert kept(PLANTED) == {}
    assert tried > 100


def _named(company: Any, path: At) -> Any:
    """Return the document with the secret as a name: of the entry, or of the text itself."""
    names = [at for at, step in enumerate(path) if isinstance(step, str)]
    return renamed(company, path[: names[-1] + 1], TEXT)


@pytest.mark.parametrize("canary", FORMS, ids=[each.name for each in FORMS])
def test_each_form_is_refused_in_a_document(canary: Canary) -> None:
    with pytest.raises(DocumentRefused) as refused:
        load(yaml.safe_dump({"agents": {"one": {"purpose": f"It uses {canary.text}, always."}}}, width=10_000))
    assert [place.code for place in refused.value.errors] == ["secret"]
    assert found_in(str(refused.value), [canary]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Never reveal the password: always ask a person.", "Limit the token: 5000 a day", "authorization = required",
        "api_key: ${OPENAI_API_KEY_2}", "Bearer {{ $env.TOKEN_1234567890 }}", "https://jobs.example.com/*", "a" * 300,
        "secret: [redacted]", "=Basic knowledge of 12345678 words", "",
    ],
)  # fmt: skip
def test_what_only_speaks_of_secrets_is_no_secret(text: str) -> None:
    assert not has_secret(text)
    assert secret_places({"prompt": text, "api_key": "={{ $vars.key12345 }}", "max_tokens": 12345678}) == {}


@pytest.mark.parametrize("file", N8N, ids=[path.stem for path in N8N])
def test_a_secret_anywhere_in_an_execution_is_kept_nowhere(scene: Scene, file: Path, tmp_path: Path) -> None:
    document = json.loads(file.read_text())
    document = document.get("body", document)
    planted, seen, imported = tmp_path / "planted.json", set(), 0
    for path in texts(document):
        if shape(path) in seen:
            continue
        seen.add(shape(path))
        planted.write_text(json.dumps(replaced(document, path, lambda text: f"{text} {TEXT}")))
        said = io.StringIO()
        with transaction.atomic(), logs() as written:
            before = Run.objects.count() + Step.objects.count()
            try:
                call_command("import_n8n", "job-applier", str(planted), by="admin", stdout=said, stderr=said)
            except (CommandError, SystemExit) as error:
                said.write(str(error))
            imported += Run.objects.count() + Step.objects.count() > before
            found = kept(PLANTED)
            transaction.set_rollback(True)
        assert found == {}, path
        assert found_in(said.getvalue() + written.getvalue(), PLANTED) == [], path
    assert imported > 3
