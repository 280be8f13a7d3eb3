"""The project: settings, gateway, API, console, tasks.

This file stays free of imports: the bootstrap reads modules of this package before Django is installed.
"""

# As in pyproject.toml.
__version__ = "0.1.0"
