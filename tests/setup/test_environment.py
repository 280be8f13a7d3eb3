"""The environment's table: typed values, defaults, and refusals that name the variable."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from controlplane import environment, parsing


def test_read_of_nothing_gives_defaults() -> None:
    found = environment.read({})
    assert found.home == Path("var").absolute()
    assert (found.host, found.port, found.debug) == ("127.0.0.1", 8000, False)
    assert found.database_address == f"sqlite:///{found.home}/controlplane.sqlite3"
    assert found.broker_url == f"unix://{found.home}/broker/valkey.sock"
    assert found.console_url == "http://127.0.0.1:8000"


def test_read_treats_empty_as_absent() -> None:
    assert environment.read({"CONTROLPLANE_PORT": "  "}).port == 8000


def test_read_parses_every_kind() -> None:
    found = environment.read(
        {
            "CONTROLPLANE_HOME": "/srv/cp",
            "CONTROLPLANE_PORT": "9000",
            "CONTROLPLANE_HOST": "::1",
            "CONTROLPLANE_DEBUG": "Yes",
            "CONTROLPLANE_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1",
            "CONTROLPLANE_CALLBACK_HOSTS": "a.example, b.example",
            "CONTROLPLANE_KEY_PEPPERS": f"2:{'ab' * 32},1:{'cd' * 32}",
            "REDIS_URL": "redis://broker:6379/1",
        }
    )
    assert found.debug is True
    assert found.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.1/32"))
    assert found.callback_hosts == ("a.example", "b.example")
    assert [name for name, _ in found.key_peppers] == ["2", "1"]
    assert found.broker_url == "redis://broker:6379/1"
    assert found.console_url == "http://[::1]:9000"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CONTROLPLANE_PORT", "http", "not a whole number"),
        ("CONTROLPLANE_PORT", "70000", "between 1 and 65535"),
        ("CONTROLPLANE_DEBUG", "maybe", "say on or off"),
        ("CONTROLPLANE_WEB_THREADS", "0", "between"),
        ("CONTROLPLANE_PUBLIC_URL", "cp.example.com", "https://"),
        ("CONTROLPLANE_PUBLIC_URL", "https://cp.example.com/console", "no path"),
        ("CONTROLPLANE_LOG_FORMAT", "xml", "say one of"),
        ("CONTROLPLANE_TRUSTED_PROXIES", "proxy", "proxy"),
        ("CONTROLPLANE_SECRET_KEY_FILE", "/nowhere/at/all", "no such file"),
        ("DATABASE_URL", "mysql://root@db/cp", "sqlite:/// or postgresql://"),
        ("DATABASE_URL", "postgresql://db:5432/", "name a database"),
        ("REDIS_URL", "amqp://broker", "redis://"),
    ],
)
def test_read_of_a_bad_value_names_the_variable(name: str, value: str, words: str) -> None:
    with pytest.raises(environment.BadSetting, match=name) as refusal:
        environment.read({name: value})
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONTROLPLANE_SECRET_KEY", "short-secret"),
        ("CONTROLPLANE_KEY_PEPPERS", "1:not-hexadecimal"),
        ("CONTROLPLANE_ENCRYPTION_KEYS", "not-a-fernet-key"),
    ],
)
def test_read_of_a_bad_secret_does_not_repeat_it(name: str, value: str) -> None:
    with pytest.raises(environment.BadSetting, match=name) as refusal:
        environment.read({name: value})
    assert value not in str(refusal.value)


def test_peppers_refuse_one_id_twice() -> None:
    with pytest.raises(ValueError, match="share an id"):
        parsing.peppers(f"1:{'ab' * 32},1:{'cd' * 32}")


def test_broker_socket_of_a_deep_folder_is_short() -> None:
    deep = environment.read({"CONTROLPLANE_HOME": "/srv/" + "deep/" * 30})
    assert len(str(deep.broker_socket)) < 100
    other = environment.read({"CONTROLPLANE_HOME": "/srv/" + "deep/" * 31})
    assert deep.broker_socket != other.broker_socket


def test_unknown_names_finds_typing_mistakes() -> None:
    source = {"CONTROLPLANE_PROT": "1", "CONTROLPLANE_PORT": "1", "CONTROLPLANE_NO_BOOTSTRAP": "1", "PATH": "/bin"}
    assert environment.unknown_names(source) == ["CONTROLPLANE_PROT"]


def test_every_variable_is_explained() -> None:
    for entry in environment.variables():
        assert entry.help.endswith("."), entry.name
        assert entry.default or entry.shown or entry.name.endswith("_FILE"), entry.name


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8001"),
        ({"CONTROLPLANE_PORT": "9000"}, "http://127.0.0.1:9001"),
        ({"CONTROLPLANE_LANE_PORT": "9005"}, "http://127.0.0.1:9005"),
        ({"CONTROLPLANE_PUBLIC_URL": "http://box:8000"}, "http://box:8001"),
        ({"CONTROLPLANE_PUBLIC_URL": "https://cp.example.com"}, "https://cp.example.com"),
        (
            {"CONTROLPLANE_PUBLIC_URL": "https://cp.example.com", "CONTROLPLANE_LANE_URL": "https://lane.example.com"},
            "https://lane.example.com",
        ),
    ],
)
def test_browsers_find_the_lane_beside_the_web_server_or_behind_its_proxy(given: dict[str, str], address: str) -> None:
    assert environment.read(given).lane_address == address
