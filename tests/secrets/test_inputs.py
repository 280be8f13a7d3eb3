"""Secrets in every text of every body, document and import file: taken out, or refused where nothing may be taken out.

The exact bytes of an action are the one exception, by promise (semantics 3).
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import transaction

from controlplane.apply import DocumentRefused
from controlplane.apply.loading import load
from runs.models import Run, Step
from runs.redaction import has_secret, secret_places
from tests.badinput.samples import SAMPLES, Route
from tests.controlplane.api.conftest import _scene, scene
from tests.controlplane.api.scene import Scene
from tests.secrets.canaries import FORMS, Canary
from tests.secrets.leaves import Path as At
from tests.secrets.leaves import renamed, replaced, shape, texts
from tests.secrets.looking import database, found_in, logs

__all__ = ["_scene", "scene"]

pytestmark = [pytest.mark.slow, pytest.mark.once]

_SAMPLES = Path(__file__).parent.parent / "samples" / "n8n"
N8N = [_SAMPLES / f"execution{name}.json" for name in ("-retry", "-hold", "-llm", "s-waiting")]
COMPANY = Path(__file__).parent.parent / "controlplane" / "apply" / "example.yaml"
PLANTED = tuple(each for each in FORMS if each.name in {"GitHub token", "URL with a password", "password in a query"})
TEXT = "because " + " and ".join(each.text for each in PLANTED)
# Where the exact bytes of an action are kept.
EXACT = frozenset({"approvals_actionrevision", "policies_decision.body", "policies_payload"})


def kept() -> dict[str, list[str]]:
    """Return what the database holds of what was planted."""
    return {place: names for place, text in database().items() if (names := found_in(text, PLANTED))}


def test_a_secret_in_any_text_of_any_body_is_kept_nowhere(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, Any] = {}
    accepted = refused = 0
    with logs() as written:
        for route, sample in SAMPLES.items():
            with transaction.atomic():
                call, caller = sample.make(scene), sample.caller(scene)
                for path in texts(call.body):
                    body = replaced(call.body, path, lambda _: TEXT)
                    with transaction.atomic():
                        answer = caller.send(route.method, route.fill(call.values), body, **call.headers)
                        names = {place: what for place, what in kept().items() if not _exact(route, path, place)}
                        transaction.set_rollback(True)
                    assert answer.status_code < 500, (route, path)
                    accepted, refused = accepted + (answer.status_code < 300), refused + (answer.status_code >= 400)
                    if names:
                        found[f"{route} {shape(path)}"] = names
                transaction.set_rollback(True)
    assert found == {}
    assert found_in(written.getvalue(), PLANTED) == []
    with capsys.disabled():
        print(f"\nsecrets in bodies: {accepted} accepted without them, {refused} refused")
    assert accepted > 20


def _exact(route: Route, path: At, place: str) -> bool:
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
    assert kept() == {}
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
            found = kept()
            transaction.set_rollback(True)
        assert found == {}, path
        assert found_in(said.getvalue() + written.getvalue(), PLANTED) == [], path
    assert imported > 3
