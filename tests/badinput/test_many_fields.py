"""A form of more fields than anybody fills in is refused wherever it is sent, and never an error of ours."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.controlplane.console.scene import make_scene

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.mark.parametrize("address", ["/nowhere/", "/registry/agent/do/register/", "/login/", "/api/v1/nowhere"])
@pytest.mark.parametrize("logged_in", [False, True])
@pytest.mark.parametrize("with_token", [False, True])
def test_too_many_multipart_fields_are_refused(address: str, logged_in: bool, with_token: bool) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=not with_token)
    if logged_in:
        client.force_login(make_scene().world.admin)
    answer = client.post(address, {f"field{number}": "x" for number in range(2_001)})
    assert 300 < answer.status_code < 500, answer.content[:500]
    if answer.status_code == 302:
        assert answer["Location"].startswith("/login/")
