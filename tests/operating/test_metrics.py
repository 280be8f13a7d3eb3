"""``/metrics``: closed unless opened, counted by all processes, and no trouble to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from audit import sql
from controlplane import environment
from controlplane.operating.metrics import counts, readings
from controlplane.operating.metrics.page import CountsOfAll
from controlplane.operating.metrics.readings import READINGS, Readings
from tests.approvals.steps import FORM, ask, hold_mail, principal_of
from tests.journeys.installation import AgentClient, build
from tests.setup.processes import ROOT

TOKEN = "t" * 40


def text_of(client: Client) -> str:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return response.content.decode()


def sample(text: str, name: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(name + " ")]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


@pytest.fixture
def with_token(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    monkeypatch.setattr("controlplane.operating.metrics.page._readings", Readings(READINGS, kept_seconds=0))


@pytest.mark.slow
@pytest.mark.django_db
class TestWhoMayRead:
    @pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer ", f"Basic {TOKEN}", f"bearer {TOKEN}", TOKEN])
    def test_token_is_asked_even_from_this_machine(self, client: Client, settings: Settings, given: str) -> None:
        settings.METRICS_TOKEN = TOKEN
        response = client.get("/metrics", headers={"Authorization": given} if given else {})
        assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="control plane"')
        assert response.json()["detail"] == "The bearer token is missing or wrong."
        assert b"controlplane_" not in response.content

    def test_without_token_this_machine_reads(self, client: Client, settings: Settings) -> None:
        settings.REDIS_URL = "unix:///nowhere/valkey.sock"
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
        assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200

    @pytest.mark.parametrize("address", ["10.0.0.9", "203.0.113.7", "", "127.0.0.1.example.com"])
    def test_without_token_strangers_do_not(self, client: Client, address: str) -> None:
        response = client.get("/metrics", REMOTE_ADDR=address)
        assert response.status_code == 403
        # Whoever runs the installation is told how to open it.
        assert "CONTROLPLANE_METRICS_TOKEN" in response.json()["detail"]
        assert b"controlplane_" not in response.content

    def test_behind_a_proxy_nobody_is_this_machine(self, client: Client, settings: Settings) -> None:
        """Every stranger comes from loopback there: the page must not open by accident."""
        settings.PUBLIC_URL = "https://controlplane.example.com"
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403
        settings.PUBLIC_URL = "http://127.0.0.1:8000"
        settings.ENVIRONMENT = environment.read({"CONTROLPLANE_HOST": "0.0.0.0"})
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403

    def test_administrator_is_nobody_here(self, admin_client: Client) -> None:
        assert admin_client.get("/metrics", REMOTE_ADDR="10.0.0.9").status_code == 403

    @pytest.mark.usefixtures("with_token")
    def test_only_reading(self, client: Client) -> None:
        assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


def test_short_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("short\n")
    with pytest.raises(environment.BadSetting, match="METRICS_TOKEN_FILE"):
        _ = environment.read({"CONTROLPLANE_METRICS_TOKEN_FILE": str(file)}).metrics_bearer
    file.write_text(TOKEN + "\n")
    assert environment.read({"CONTROLPLANE_METRICS_TOKEN_FILE": str(file)}).metrics_bearer == TOKEN


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("with_token")
class TestWhatIsTold:
    def test_decisions_queues_and_budgets(self, client: Client) -> None:
        installation = build()
        before = text_of(client)
        ask(installation, "one", **FORM)
        ask(installation, "one", **FORM)
        hold_mail(installation)
        after = text_of(client)

        def grown(name: str) -> float:
            return sample(after, name) - sample(before, name)

        labels = 'effect="allow",environment="production"'
        assert grown(f'controlplane_decisions_total{{{labels},kind="fresh"}}') == 1
        assert grown(f'controlplane_decisions_total{{{labels},kind="replayed"}}') == 1
        assert grown('controlplane_decision_seconds_count{effect="allow"}') == 1
        assert sample(after, 'controlplane_queue_pending{queue="outreach"}') == 1
        assert sample(before, 'controlplane_queue_pending{queue="outreach"}') == 0
        assert 'controlplane_queue_oldest_seconds{queue="outreach"}' in after
        budget = 'controlplane_budget_nanousd{budget="talent-month",part='
        assert sample(after, budget + '"limit"}') == 200_000_000_000
        assert sample(after, budget + '"reserved"}') == 50_000_000
        assert sample(after, "controlplane_seal_lag_seconds") >= 0
        assert sample(after, 'controlplane_grants{state="redeemed"}') == 1
        assert {sample(after, f'controlplane_reading_ok{{reading="{name}"}}') for name in READINGS} == {1}
        assert sample(after, 'controlplane_background_up{process="worker"}') == 0
        assert "controlplane_build_info{" in after

    def test_nothing_private_is_told(self, client: Client) -> None:
        installation = build()
        ask(installation, "an idempotency key", **FORM)
        hold_mail(installation)
        client.get("/canary-path/7f3a?token=canary-query")
        told = text_of(client)
        for private in (
            "jane@acme.com",
            "jobs.example.com",
            "talent-lead",
            "talent-reviewer",
            installation.key,
            "canary",
        ):
            assert private not in told
        assert 'route="none"' in told

    def test_oldest_in_queue_grows_with_time(self) -> None:
        request = hold_mail(build())
        seen = {
            found.name: found.samples[0].value
            for found in readings.queues(request.created_at + timedelta(seconds=90))
            if found.samples
        }
        assert seen["controlplane_queue_oldest_seconds"] == 90
        late = {
            found.name: found.samples[0].value
            for found in readings.queues(request.expires_at + timedelta(seconds=1))
            if found.samples
        }
        assert (late["controlplane_queue_pending"], late["controlplane_queue_oldest_seconds"]) == (0, 0)

    def test_number_of_series_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(readings, "MOST_ROWS", 0)
        build()
        found = list(readings.budgets(sql.now()))
        assert [len(metric.samples) for metric in found] == [0, 1]
        assert found[1].samples[0].value == 1

    def test_slow_reading_is_ended_and_named(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def endless(now: object) -> list[object]:
            with readings.connection.cursor() as cursor:
                cursor.execute(
                    "WITH RECURSIVE endless(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM endless) "
                    "SELECT MAX(n) FROM endless"
                )
            return []

        monkeypatch.setattr(readings, "LONGEST_SECONDS", 1.0)
        broken = Readings({"endless": endless, "trail": readings.trail}, kept_seconds=0)  # type: ignore[dict-item]
        monkeypatch.setattr("controlplane.operating.metrics.page._readings", broken)
        told = text_of(client)
        assert sample(told, 'controlplane_reading_ok{reading="endless"}') == 0
        assert sample(told, 'controlplane_reading_ok{reading="trail"}') == 1
        # The connection is good for the next request.
        assert client.get("/healthz").status_code == 200
        assert "controlplane_seal_lag_seconds" in text_of(client)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_refusals_and_reports_are_counted(live_server: object, client: Client, with_token: None) -> None:
    installation = build()
    agent = AgentClient(str(live_server), installation.key)
    before = text_of(client)
    answer = agent.ask("one", **FORM).json()
    agent.outcome(answer["id"], status="succeeded")
    agent.redeem(answer["id"], answer["digest"], "again")
    agent.ask("bad", verb="")
    run = {
        "type": "run",
        "event_id": "e1",
        "trigger": {"source": "test"},
        "started_at": sql.now().isoformat(),
        "status": "running",
    }
    agent.http.post("/api/v1/ingest", json={"items": [run, run, {"type": "nonsense"}]})
    after = text_of(client)
    grown = {
        name: sample(after, name) - sample(before, name)
        for name in (
            'controlplane_outcomes_total{result="succeeded"}',
            'controlplane_redemptions_total{result="already_redeemed"}',
            'controlplane_decisions_total{effect="none",environment="production",kind="refused"}',
            'controlplane_ingest_items_total{result="created"}',
            'controlplane_ingest_items_total{result="duplicate"}',
            'controlplane_ingest_items_total{result="invalid"}',
            'controlplane_http_requests_total{method="POST",route="controlplane.api.actions.ActionsView",status="422"}',
        )
    }
    assert set(grown.values()) == {1}, grown


@pytest.mark.slow
@pytest.mark.django_db
def test_counting_that_fails_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    installation = build()

    class Broken:
        def labels(self, *_labels: str) -> Broken:
            raise OSError("no space left on device")

    for name in ("DECISIONS", "DECISION_SECONDS", "REDEMPTIONS", "OUTCOMES", "INGESTED", "REQUESTS", "TASKS"):
        monkeypatch.setattr(counts, name, Broken())
    assert ask(installation, "one", **FORM).effect == "allow"
    assert Client().get("/healthz").status_code == 200
    counts.worked(task="t", result="success", seconds=1.0)
    # The twin without the wrapper does fail.
    with pytest.raises(OSError, match="no space"):
        counts.worked.__wrapped__(task="t", result="success", seconds=1.0)  # type: ignore[attr-defined]
    assert principal_of(installation)


_COUNT = """
import os
from controlplane.operating.metrics import counts
for _ in range(int(os.environ["TIMES"])):
    counts.redeemed(result="redeemed")
"""


@pytest.mark.slow
def test_counts_of_several_processes_are_added_up(tmp_path: Path) -> None:
    for role, times in (("web", 3), ("web", 4), ("worker", 5)):
        folder = tmp_path / "metrics" / role
        folder.mkdir(parents=True, exist_ok=True)
        variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "TIMES": str(times)}
        subprocess.run([sys.executable, "-c", _COUNT], cwd=ROOT, env=variables, check=True)
    assert len(list(tmp_path.glob("metrics/*/*.db"))) == 3
    found = {metric.name: metric.samples for metric in CountsOfAll(tmp_path / "metrics").collect()}
    assert [entry.value for entry in found["controlplane_redemptions"]] == [12]
