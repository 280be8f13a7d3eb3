"""The product's settings with the references' addresses."""

from controlplane.settings import *  # noqa: F403 - a settings module is a copy of another one

ROOT_URLCONF = "tests.benchmarks.urls"
