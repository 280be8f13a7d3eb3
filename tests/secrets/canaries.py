"""Secrets that are planted everywhere, in the forms that real ones have. None opens anything."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass


def _word(name: str, length: int) -> str:
    """Return letters and digits that stand for a name, the same in every run."""
    raw = base64.b32encode(hashlib.sha512(f"canary {name}".encode()).digest()).decode().rstrip("=")
    return (raw * 3)[:length]


@dataclass(frozen=True, slots=True)
class Canary:
    """A planted secret.

    Attributes:
        name: what it stands for.
        text: as a caller would send it.
        core: the part that must not be found anywhere.
    """

    name: str
    text: str
    core: str


def _form(name: str, form: str, length: int = 36) -> Canary:
    core = _word(name, length)
    return Canary(name, form.replace("…", core), core)


def _jwt() -> Canary:
    core = _word("jwt", 60)
    return Canary("JWT", f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIi{core}.c2ln{core}", core)


def _basic() -> Canary:
    core = base64.b64encode(f"robot:{_word('basic', 24)}".encode()).decode()
    return Canary("basic authentication", f"Authorization: Basic {core}", core)


# Known by their own form, wherever they stand.
FORMS = (
    _form("AWS access key", "AKIA…", 16),
    _form("AWS secret key", "aws_secret_access_key=…", 40),
    _form("GitHub token", "ghp_…"),
    _form("GitHub fine-grained token", "github_pat_…", 60),
    _form("GitLab token", "glpat-…", 20),
    _form("Slack token", "xoxb-1234567890-…", 24),
    _form("OpenAI key", "sk-proj-7…", 48),
    _form("Anthropic key", "sk-ant-api03-7…", 60),
    _form("Stripe key", "sk_live_…", 24),
    _form("Google key", "AIza…", 35),
    _form("Hugging Face token", "hf_…", 34),
    _form("npm token", "npm_…"),
    _form("webhook secret", "whsec_…", 32),
    _jwt(),
    _form("private key", "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----", 64),
    _form("URL with a password", "https://robot:…@git.example.com/repo.git", 20),
    _form("connection string", "postgresql://app:…@db.example.com:5432/app", 20),
    _form("broker address", "redis://:…@cache.example.com:6379/0", 20),
    _basic(),
    _form("bearer token", "Authorization: Bearer 7…", 40),
    _form("password in JSON", '{"password": "…"}', 20),
    _form("password in a query", "https://example.com/?password=…&x=1", 20),
    _form("command line", "mysqldump --password …", 20),
    _form("signed address", "https://bucket.example.com/a?X-Amz-Signature=…", 64),
    _form("cookie header", "Cookie: sessionid=…", 32),
)


def passwords() -> dict[str, Canary]:
    """Return secrets that only their place betrays: what people type into forms."""
    names = ("log-in", "wrong log-in", "old password", "new password", "createuser", "first administrator")
    return {name: _form(name, "…", 24) for name in names}


def addresses() -> dict[str, Canary]:
    """Return passwords of the installation's own addresses, which their place alone betrays."""
    return {name: _form(f"{name} address", "…", 24) for name in ("database", "broker")}
