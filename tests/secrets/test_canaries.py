"""Secrets go in everywhere and are found nowhere, but for the exact bytes of held actions, which people approve."""

from __future__ import annotations

import io
import json
import logging

import pytest
from django.conf import settings
from django.test import Client, override_settings

from audit import sql
from controlplane.api.schema import document
from registry.operations import create_user as create_person
from tests.controlplane.api.callers import nobody, person
from tests.controlplane.api.conftest import _scene, scene
from tests.controlplane.api.scene import Scene
from tests.secrets import planting
from tests.secrets.canaries import FORMS, Canary, passwords
from tests.secrets.looking import database, found_in, logs, pages
from tests.world import QuickHasher

__all__ = ["_scene", "scene"]

pytestmark = [pytest.mark.slow, pytest.mark.once]

# The exact bytes of an action, by promise (semantics 3): what is approved is what is executed.
PAYLOADS = frozenset({"approvals_actionrevision.body", "policies_decision.body", "policies_payload.body"})
ROLES = ("admin", "operator", "owner", "reviewer", "auditor", "stranger")


def _own(scene: Scene) -> list[Canary]:
    """Return the secrets of the installation itself."""
    found = [Canary("agent's key", scene.world.text, scene.world.text.split("_", 3)[3][:43])]
    found.append(Canary("secret key", settings.SECRET_KEY, settings.SECRET_KEY))
    found += [Canary(f"pepper {name}", pepper.hex(), pepper.hex()) for name, pepper in settings.KEY_PEPPERS.items()]
    found += [Canary("encryption key", str(each), str(each)) for each in settings.ENCRYPTION_KEYS]
    return found


def _nowhere(texts: dict[str, str], canaries: list[Canary]) -> None:
    found = {place: names for place, text in texts.items() if (names := found_in(text, canaries))}
    assert found == {}


def test_there_are_enough_canaries(scene: Scene) -> None:
    canaries = [*FORMS, *passwords().values(), *_own(scene)]
    assert len({canary.core for canary in canaries}) == len(canaries) >= 30
    assert all(found_in(f"x{canary.core}y", [canary]) for canary in canaries)


def test_what_agents_report_ask_and_send_leaves_no_secret(scene: Scene) -> None:
    canaries = [*FORMS, *_own(scene)]
    with logs() as written:
        planting.report_everything(scene)
        planting.ask_everything(scene)
        planting.refuse_everything(scene)
        planting.operate_with_secrets(scene)
    assert written.getvalue().count("\n") > 500
    _nowhere({"log": written.getvalue()}, canaries)
    _nowhere(database(), canaries)
    walked = 0
    for role in ROLES:
        seen = pages(person(getattr(scene.world, role)).client, most=40)
        walked += len(seen)
        _nowhere(seen, canaries)
    assert walked > 60


def test_the_bytes_of_held_actions_are_kept_as_payload_and_nowhere_else(scene: Scene) -> None:
    with logs() as written:
        planting.hold_with_secrets(scene)
        # Digests only, or nothing at all (semantics 12).
        for role in ("operator", "auditor"):
            _nowhere(pages(person(getattr(scene.world, role)).client, most=40), list(FORMS))
    kept = {place: names for place, text in database().items() if (names := found_in(text, list(FORMS)))}
    assert kept
    assert kept.keys() <= PAYLOADS, kept.keys()
    assert all(len(names) == len(FORMS) for names in kept.values())
    _nowhere({"log": written.getvalue()}, list(FORMS))


def test_passwords_and_sessions_are_kept_nowhere(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    words = passwords()
    hasher = f"{QuickHasher.__module__}.{QuickHasher.__qualname__}"
    with logs() as written, override_settings(PASSWORD_HASHERS=[hasher]):
        create_person(
            username="canary", role="operator", password=words["log-in"].text, by=scene.world.admin, now=sql.now()
        )
        caller, session, token = planting.sign_in(words["log-in"], words["wrong log-in"], "canary")
        form = {
            "old_password": words["log-in"].text, "new_password1": words["new password"].text,
            "new_password2": words["new password"].text, "csrfmiddlewaretoken": token,
        }  # fmt: skip
        caller.client.post("/password_change/", {**form, "old_password": words["old password"].text})
        answer = caller.client.post("/password_change/", form)
        planting.create_user("from-stdin", words["createuser"], monkeypatch)
        walked = pages(caller.client, most=20)
    canaries = [*words.values(), Canary("CSRF token", token, token)]
    _nowhere(
        {"log": written.getvalue(), "answer": answer.content.decode()}, [*canaries, Canary("session", session, session)]
    )
    _nowhere(database(), canaries)
    # The store of sessions finds them by their key; nothing else holds one.
    elsewhere = {place: text for place, text in database().items() if not place.startswith("django_session.")}
    _nowhere(elsewhere, [Canary("session", session, session)])
    _nowhere(walked, list(words.values()))


@pytest.mark.parametrize("debug", [False, True])
@override_settings(ROOT_URLCONF="tests.controlplane.api.broken_urls")
def test_error_pages_show_no_secret(scene: Scene, debug: bool) -> None:
    canaries = [*FORMS, *_own(scene), Canary("detail", "secret detail", "secret detail")]
    seen: dict[str, str] = {}
    # The page that explains a fault to its author is large, and only ever replaced by ours: a few will do.
    planted = [*FORMS[:2], _own(scene)[0]] if debug else [*FORMS, *_own(scene)]
    paths = ["/api/drf/bug", "/api/plain/bug", *([] if debug else ["/elsewhere/bug", "/elsewhere/missing"])]
    with logs() as written, override_settings(DEBUG=debug):
        for canary in planted:
            plain = canary.text.replace("\n", " ")
            headers = {"Authorization": f"Bearer {plain}", "X-Api-Key": plain, "Cookie": f"token={plain}"}
            for path in paths:
                answer = Client(raise_request_exception=False).get(f"{path}?{_query(canary)}", headers=headers)
                assert answer.status_code in {404, 500}
                seen[f"{path} {canary.name}"] = answer.content.decode()
    _nowhere(seen, canaries)
    _nowhere({"log": written.getvalue().replace("secret detail", "")}, canaries)


def _query(canary: Canary) -> str:
    return f"password={canary.core}"


def test_the_schema_and_the_probes_show_no_secret(scene: Scene) -> None:
    own = _own(scene)
    texts = {"schema": document().decode()}
    for path in ("/healthz", "/readyz", "/metrics", "/login/"):
        texts[path] = nobody().client.get(path).content.decode()
    _nowhere(texts, own)


def test_a_log_line_that_holds_the_header_is_found_and_ours_hides_it(scene: Scene) -> None:
    """The planted fault that the tests above must see: somebody logs what the caller sent, past our formatter."""
    sent = json.dumps({"Authorization": f"Bearer {scene.world.text}"})
    logger = logging.getLogger("controlplane.requests")
    with logs() as written:
        logger.warning("called with %s", sent)
    assert "called with" in written.getvalue()
    assert found_in(written.getvalue(), _own(scene)) == []
    careless = logging.StreamHandler(naked := io.StringIO())
    logger.addHandler(careless)
    try:
        logger.warning("called with %s", sent)
    finally:
        logger.removeHandler(careless)
    assert found_in(naked.getvalue(), _own(scene)) == ["agent's key"]
