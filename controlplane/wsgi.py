"""The WSGI entry point: ``granian --interface wsgi controlplane.wsgi:application``."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from controlplane.environment import use_settings

use_settings()

application = get_wsgi_application()
