"""How people prove who they are: log-in, second factors, lock-out, sessions, the organisation's identity provider."""
