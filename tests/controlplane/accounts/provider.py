"""A small identity provider on loopback: discovery, authorization codes with PKCE, tokens, keys, userinfo."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Provider:
    """The provider. Tests set what it says.

    Attributes:
        claims: of the id token, over the usual ones.
        userinfo: what userinfo says beside ``sub``.
        foreign_key: whether it signs with a key that it does not publish.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.foreign_key = False
        self.challenge = ""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.serve(self, urlsplit(self.path).path, "")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                outer.serve(self, urlsplit(self.path).path, body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, handler: BaseHTTPRequestHandler, path: str, body: str) -> None:
        """Answer one request."""
        answers: dict[str, Any] = {
            "/.well-known/openid-configuration": self._discovery,
            "/token": lambda: self._token(parse_qs(body)),
            "/userinfo": lambda: {"sub": "s1", **self.userinfo},
            "/keys": self._keys,
        }
        found = answers[path]()
        data = json.dumps(found or {"error": "invalid_grant"}).encode()
        handler.send_response(200 if found else 400)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def _keys(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": "k1", "use": "sig", "alg": "RS256"}]}

    def _token(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        verifier = form.get("code_verifier", [""])[0].encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
        if form.get("code") != ["good"] or digest != self.challenge:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "cp", "sub": "s1", "iat": now, "exp": now + 300, **self.claims}
        key = self._other if self.foreign_key else self._key
        token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})
        return {"access_token": "at-canary", "token_type": "Bearer", "id_token": token}
