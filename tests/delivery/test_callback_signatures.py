"""What is shown of callbacks' secret checks the calls that come."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client
from standardwebhooks import Webhook, WebhookVerificationError

from approvals.models import ApprovalRequest
from audit import sql
from audit.models import Entry
from controlplane.console.admins import page_of
from controlplane.delivery.operations import callback_secret
from controlplane.delivery.readers.callbacks import CALLBACKS
from registry.models import User
from tests.approvals.steps import MAIL, ask, say
from tests.delivery.sink import NAME, Received, Sink
from tests.delivery.steps import read_on, send
from tests.docs.blocks import ROOT, blocks
from tests.journeys.installation import build

pytestmark = pytest.mark.slow

_SHOWN = re.compile(r"whsec_[A-Za-z0-9+/]+=*")
_GUIDE = ROOT / "docs" / "guides" / "webhooks.md"


def on_the_page(user: User, agent: Any) -> str:
    """Have it shown by the console."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    opened = client.get(page_of(agent, "callback-secret"))
    assert opened.status_code == 200
    assert not _SHOWN.search(opened.content.decode())
    assert not Entry.objects.filter(kind="callback_secret.shown").exists()
    answer = client.post(page_of(agent, "callback-secret"))
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    (secret,) = _SHOWN.findall(answer.content.decode())
    assert secret not in client.get(page_of(agent)).content.decode()
    return str(secret)


def by_command(username: str) -> str:
    """Have it shown by the command."""
    out = io.StringIO()
    call_command("callback_secret", "job-applier", by=username, stdout=out)
    return out.getvalue().splitlines()[-1]


def delivered(sink: Sink, settings: Any) -> tuple[Received, Any]:
    """Hold an action, decide it, and return the call that came and when it was sent."""
    settings.CALLBACK_HOSTS = (NAME,)
    answer = ask(build(), "mail", **MAIL, callback_url=sink.url)
    say(ApprovalRequest.objects.get(decision=answer.id), "talent-reviewer")
    now = sql.now() + timedelta(seconds=1)
    read_on(CALLBACKS, now=now)
    send(now)
    (got,) = sink.received
    return got, now


def test_what_the_page_shows_checks_a_callback_that_came(db: None, sink: Sink, settings: Any) -> None:
    got, now = delivered(sink, settings)
    request = ApprovalRequest.objects.select_related("agent__owner").get()
    secret = on_the_page(request.agent.owner, request.agent)
    with time_machine.travel(now, tick=False):
        assert Webhook(secret).verify(got.body, got.headers)["approved"] is True
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(got.body.replace(b"true", b"false"), got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(callback_secret("another-agent")).verify(got.body, got.headers)


def test_the_lines_of_the_guide_check_a_callback_that_came(db: None, sink: Sink, settings: Any) -> None:
    got, now = delivered(sink, settings)
    (block,) = (block for block in blocks(_GUIDE) if block.file == "genuine.py")
    page: dict[str, Callable[..., bool]] = {}
    exec(compile(block.text, "genuine.py", "exec"), page)
    secret, at = by_command("talent-lead"), now.timestamp()
    assert page["is_genuine"](secret, got.headers, got.body, now=at) is True
    assert page["is_genuine"](secret, got.headers, got.body + b" ", now=at) is False
    assert page["is_genuine"](secret, got.headers, got.body, now=at + 400) is False
    assert page["is_genuine"](callback_secret("another-agent"), got.headers, got.body, now=at) is False
