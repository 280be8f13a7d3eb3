"""What the views for agents' keys share."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from controlplane.api.authentication import AgentKeyAuthentication, HasScope
from controlplane.api.floods import FloodGuard

_JSON = JSONRenderer()


class MachineView(APIView):
    """A view for agents' keys; `scope` names what the key must carry, None that any key will do."""

    authentication_classes = (AgentKeyAuthentication,)
    permission_classes = (HasScope,)
    throttle_classes = (FloodGuard,)
    scope: str | None = None

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Answer JSON, whatever is accepted: there is nothing else to choose from."""
        return _JSON, _JSON.media_type


def json_response(body: Any, *, status: int = 200) -> HttpResponse:
    """Write JSON as it is, without DRF's renderer."""
    return HttpResponse(json.dumps(body), status=status, content_type="application/json")
