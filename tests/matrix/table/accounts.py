"""Logging in and out, one's own account, and the first steps of a new one.

Nobody has another person's account in an address: what is not one's own is missing. What changes how a person logs in
asks for the password again, so each of these leads there first.
"""

from __future__ import annotations

from dataclasses import replace

from tests.matrix.rows import METHODS, READING, Row, anybody, anything, dialog, to

_FORM = (*READING, "OPTIONS", "POST", "PUT")


def _proven(path: str) -> Row:
    """A page that wants the password again, whatever is asked of it; its numbers are nobody's."""
    row = anything(path, done=302)
    return replace(row, values={"factor_id": 0, "session_id": 0, "account_id": 0})


def _door(path: str, *, refused: int = 200) -> Row:
    """A way in: whoever is logged in is led on; without what opens it, it answers `refused`."""
    rules = {
        **anybody(path, *_FORM, logged_in=302).rules,
        **anybody(path, "POST", "PUT", done=refused, logged_in=302).rules,
    }
    rest = anybody(path, "PATCH", "DELETE", done=405, logged_in=302).rules
    return Row(path, "open", {**rules, **rest})


ROWS = (
    _door("login/"),
    _door("login/passkey/", refused=403),
    anybody("login/code/", *METHODS, done=302),
    anybody("login/provider/", "POST", done=404),
    replace(anybody("login/provider/<slug:provider_id>/callback/", "GET", done=404), values={"provider_id": "x"}),
    Row("logout/", "open", dict([
        to("GET", refused=302), to("HEAD", refused=302), to("OPTIONS", refused=200), to("POST", 302, refused=302),
    ])),
    anything("account/", methods=READING),
    _proven("account/app/"),
    _proven("account/passkey/"),
    _proven("account/codes/"),
    _proven("account/codes/renew/"),
    _proven("account/factors/<int:factor_id>/remove/"),
    _proven("account/sessions/<int:session_id>/end/"),
    _proven("account/sessions/end-others/"),
    _proven("account/external/<int:account_id>/disconnect/"),
    _proven("account/prove/code/"),
    _proven("account/prove/passkey/"),
    anything("account/prove/password/", methods=_FORM),
    dialog("account/closed-log-ins/", may="admin", see="admin"),
    anything("welcome/", methods=READING),
)  # fmt: skip
