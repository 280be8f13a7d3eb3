"""The project: settings, gateway, API, console, tasks.

This file stays free of imports: the bootstrap reads modules of this package before Django is installed.
"""
