"""The WSGI entry point: ``granian --interface wsgi controlplane.wsgi:application``."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from controlplane.environment import use_settings
from controlplane.turnstile import Turnstile

use_settings()

_django = get_wsgi_application()

from controlplane.gateway.bodies import MAX_BODY  # noqa: E402 - models exist once Django is set up

application = Turnstile(_django, places=settings.DECIDING_THREADS, most=MAX_BODY)
