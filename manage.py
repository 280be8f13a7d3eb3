#!/usr/bin/env python3
"""The one command: ``manage.py up`` starts everything, ``manage.py test`` tests it, ``manage.py help`` lists the rest.

Any Python from 3.11 on can run it: it first sees to its own environment (``.venv``), then runs there.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main():
    """Prepare the environment, then hand the command to Django."""
    if sys.version_info < (3, 11):
        sys.exit("Python 3.11 or newer is needed; this is %d.%d." % sys.version_info[:2])
    command = sys.argv[1] if len(sys.argv) > 1 else ""

    # Imported here because an older Python must first read the message above, and because Django exists only
    # once the bootstrap has done its work.
    from controlplane import bootstrap

    bootstrap.ensure(ROOT, for_tests=command == "test")

    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from controlplane import environment, keyring

    environment.use_settings()
    try:
        if command not in ("", "help", "test"):
            keyring.ensure(environment.read())
    except environment.BadSetting as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit("CONTROLPLANE_HOME cannot be written to: %s" % error)
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError:
        # Settings are read by now, and models may be imported.
        from controlplane.management import preparing

        if told := preparing.obstacle():
            sys.exit(told)
        raise


if __name__ == "__main__":
    main()
