"""The process of another installation: ``python -m tests.faults.inside build`` or ``… check LEDGER``.

It prints as JSON how to get in, or what the books say.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django
from django.test.utils import setup_test_environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from registry.models import User  # noqa: E402 - the apps must be loaded first
from tests.faults import books, stage  # noqa: E402


def main(words: list[str]) -> None:
    """Do one of the two."""
    if words[0] == "build":
        built = stage.build(User.objects.filter(role="admin").first())
        told: dict[str, Any] = {
            "agent": built.key,
            "executor": built.executor_key,
            "reviewer": built.reviewer.client.cookies["sessionid"].value,
            "second": built.second.client.cookies["sessionid"].value,
        }
    else:
        ledger = json.loads(Path(words[1]).read_text(encoding="utf-8"))
        told = asdict(books.check(ledger["promises"], ledger["abandoned"]))
    print(json.dumps(told))


if __name__ == "__main__":
    setup_test_environment()
    main(sys.argv[1:])
