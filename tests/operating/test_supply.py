"""What is shipped: locks that pin everything, licences, a bill of materials, imports that are declared, containers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.core.management import get_commands

from controlplane import __version__, environment
from controlplane.operating.supply import licences, locks, sbom
from tests import advisories
from tests.setup.processes import ROOT

LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-uv.lock")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = Path(sys.executable).parent


def declared(requirement: str) -> tuple[str, str]:
    """Return name and version of a requirement of pyproject."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", requirement)
    assert found, f"{requirement} is not pinned"
    return locks.normalised(found[1]), found[2]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_everything_with_hashes(name: str) -> None:
    packages = locks.read(ROOT / name)
    assert packages
    names = [(entry.name, entry.marker) for entry in packages]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "text", ["django>=5\n", "django==5.2.19\n", "django==5.2.19 \\\n    --hash=md5:00\n", "-e .\n", "git+https://x/y\n"]
)
def test_loose_lock_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.lock"
    path.write_text(text)
    with pytest.raises(locks.BadLock):
        locks.read(path)


def test_project_and_locks_agree() -> None:
    base = {(entry.name, entry.version) for entry in locks.read(ROOT / "requirements.lock")}
    tests = {(entry.name, entry.version) for entry in locks.read(ROOT / "requirements-test.lock")}
    installer = {(entry.name, entry.version) for entry in locks.read(ROOT / "requirements-uv.lock")}
    assert {declared(words) for words in PROJECT["project"]["dependencies"]} <= base
    assert {declared(words) for words in PROJECT["project"]["optional-dependencies"]["test"]} <= tests
    assert {declared(words) for words in PROJECT["dependency-groups"]["installer"]} == installer
    assert base <= tests, "the test lock holds everything of the base lock, at the same versions"
    assert PROJECT["project"]["version"] == __version__


@pytest.mark.slow
def test_licences_are_allowed_and_listed() -> None:
    found = licences.licences(locks.read(ROOT / "requirements.lock"))
    assert [entry for entry in found if not entry.allowed and not entry.marker] == []
    page = (ROOT / "docs" / "reference" / "licences.md").read_text()
    assert page == licences.page(found), "run `manage.py licences`"


@pytest.mark.parametrize(
    "words", ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT OR SSPL-1.0", "Proprietary", "", " OR "]
)
def test_other_licence_is_not_allowed(words: str) -> None:
    assert not licences.Licensed("x", "1", words, "").allowed


@pytest.mark.slow
def test_bill_of_materials_is_valid_and_complete() -> None:
    packages = locks.read(ROOT / "requirements.lock")
    bill = json.dumps(sbom.bill(packages))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert bill == json.dumps(sbom.bill(packages))
    assert {entry["purl"] for entry in json.loads(bill)["components"]} == {
        f"pkg:pypi/{entry.name}@{entry.version}" for entry in packages
    }


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (0, "No known vulnerabilities found\n", 0),
        (1, "Found 2 known vulnerabilities in 1 package\n", 1),
        (1, "Found 1 known vulnerability in 1 package\nx could not be audited: x", 1),
        (1, "requests.exceptions.ConnectionError: Max retries exceeded", advisories.NOT_ASKED),
        (
            0,
            "No known vulnerabilities found\nx  Dependency not found on PyPI and could not be audited",
            advisories.NOT_ASKED,
        ),
        (0, "", advisories.NOT_ASKED),
    ],
)
def test_advisories_are_never_green_unasked(code: int, said: str, expected: int) -> None:
    assert advisories.verdict(code, said) == expected


@pytest.mark.slow
def test_advisories_say_that_the_service_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = tmp_path / "away.py"
    away.write_text("raise SystemExit('ConnectionError: no way out')")
    assert advisories.main((sys.executable, str(away))) == advisories.NOT_ASKED
    assert capsys.readouterr().out.count("NOT ASKED") == len(LOCKS)


@pytest.mark.slow
def test_every_import_is_declared_and_every_declaration_used() -> None:
    # Used by name in settings, by a command line, or as a driver that others load.
    unused = "celery-types,psycopg,tzdata,granian,drf-spectacular-sidecar,django-structlog"
    # They come with celery, and are what it stands on.
    transitive = "kombu,redis"
    command = [
        TOOLS / "deptry", ".", "--no-ansi", "--extend-exclude", "tests|docs|var",
        "--optional-dependencies-dev-groups", "test",
        "--per-rule-ignores", f"DEP002={unused.replace(',', '|')},DEP003={transitive.replace(',', '|')}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_templates_are_well_formed() -> None:
    # H006: sizes stand in the style sheet. H021: bars are as wide as their share. H030, H031: no search engines here.
    # H052: one page reloads itself, by design.
    # H015, T002, T003, T028: matters of taste.
    ignored = "H005,H006,H015,H021,H023,H030,H031,H052,T002,T003,T028"
    command = [TOOLS / "djlint", "controlplane/templates", "--lint", "--profile", "django", "--ignore", ignored]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_containers_are_well_formed() -> None:
    for command in (
        [TOOLS / "hadolint", "Dockerfile"],
        [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = ("prepare", "web", "lane", "worker", "sender", "beat")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KNOWN = {entry.name for entry in environment.variables()} | {environment.BOOTSTRAP_SWITCH}


def test_containers_name_variables_and_commands_that_exist() -> None:
    named = {name for service in OURS for name in COMPOSE["services"][service]["environment"]}
    asked = set(re.findall(r"\$\{(CONTROLPLANE_\w+)", (ROOT / "compose.yaml").read_text()))
    in_image = set(re.findall(r"\b(CONTROLPLANE_\w+)=", DOCKERFILE))
    assert in_image >= {"CONTROLPLANE_NO_BOOTSTRAP", "CONTROLPLANE_HOME", "CONTROLPLANE_HOST"}
    assert (named | asked | in_image) - KNOWN == set()
    commands = get_commands()
    for service in OURS:
        words = COMPOSE["services"][service]["command"]
        assert words[0] in commands
        assert words[1:] in ([], ["--only", service])
        check = COMPOSE["services"][service].get("healthcheck", {}).get("test")
        if check:
            assert check[1:4] == ["python", "manage.py", "alive"]
            assert check[3] in commands
            assert check[4] == service


def test_image_holds_all_code_and_runs_as_nobody_special() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    apps = {"audit", "registry", "runs", "policies", "approvals", "costs", "controlplane"}
    assert copied == apps
    assert apps <= {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    assert "\nUSER 10001:10001\n" in DOCKERFILE
    assert DOCKERFILE.index("--require-hashes") < DOCKERFILE.index("USER")
    assert not re.search(r"(SECRET_KEY|PEPPERS|ENCRYPTION_KEYS|TOKEN|PASSWORD)\w*=", DOCKERFILE)


def test_composition_publishes_no_database_and_limits_everything() -> None:
    for name, service in COMPOSE["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= set(limits), name
        assert ("healthcheck" in service) or name in {"web", "proxy"}, name
        assert service["restart"] == ("no" if name == "prepare" else "unless-stopped"), name
        if name in OURS:
            assert service["read_only"] is True
            assert set(service["secrets"]) == set(COMPOSE["secrets"])
    published = {name for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {"web", "lane", "proxy"}
    assert COMPOSE["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert COMPOSE["services"]["proxy"]["profiles"] == ["proxy"]
    text = (ROOT / "compose.yaml").read_text()
    assert not re.search(r"(?i)(password|secret_key|peppers|token)\w*: (?!/run/secrets/|\{file)\S*\w{8}", text)


def test_alerts_name_metrics_that_exist() -> None:
    product = "\n".join(path.read_text() for path in (ROOT / "controlplane" / "operating" / "metrics").glob("*.py"))
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"controlplane_\w+", rule["expr"])}
    assert named
    assert {name for name in named if f'"{name.removesuffix("_bucket")}"' not in product} == set()
    scrape = yaml.safe_load((ROOT / "deploy" / "prometheus.yaml").read_text())["scrape_configs"][0]
    assert scrape["metrics_path"] == "/metrics"
