"""What agents and reviewers go on doing while processes die around them, and what they were promised.

A caller whose answer did not come sends the same words again, with the same key, until one comes. What it was
answered with 2xx is kept in the ledger: that must stand afterwards, once.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.faults.requests import run_item, step_item
from tests.faults.stage import FORM, MAIL, READ

MOST_SECONDS = 90.0
TOKEN = "t" * 32


@dataclass(frozen=True, slots=True)
class Doors:
    """How to get in.

    Attributes:
        host, port: of the web server.
        agent, executor: texts of the keys.
        reviewer, second: session ids.
    """

    host: str
    port: int
    agent: str
    executor: str
    reviewer: str
    second: str


@dataclass(slots=True)
class Ledger:
    """What was promised.

    Attributes:
        promises: one of each acknowledged write: its kind, and what it names.
        abandoned: idempotency keys of asks that were given up after a broken answer.
        broken: answers that did not come, or said 5xx.
        odd: answers that nobody expected.
    """

    promises: list[dict[str, Any]] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    broken: int = 0
    odd: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def promise(self, kind: str, **what: Any) -> None:
        """Keep an acknowledged write."""
        with self.lock:
            self.promises.append({"kind": kind, **what})

    def as_json(self) -> str:
        """Return it for another process."""
        return json.dumps({"promises": self.promises, "abandoned": self.abandoned})


class _GivenUp(Exception):
    """The caller did not wait for an answer."""


class Caller(threading.Thread):
    """Goes through stories until told to stop.

    Args:
        doors: how to get in.
        ledger: where promises are kept.
        stop: ends it.
        name: a word that no other caller has.
        seed: what it does next depends on this alone.
    """

    def __init__(self, doors: Doors, ledger: Ledger, stop: threading.Event, name: str, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.doors = doors
        self.ledger = ledger
        self.stop = stop
        self.chance = random.Random(f"{seed} {name}")
        self.number = 0
        self.told = 0

    def run(self) -> None:
        """Tell one story after the other."""
        stories = [self._allowed, self._allowed, self._denied, self._held, self._handed_over, self._reported]
        while not self.stop.is_set():
            try:
                self.chance.choice([*stories, self._withdrawn])()
                self.told += 1
            except _GivenUp:
                continue
            except Exception as error:  # noqa: BLE001 - told to the test
                self.ledger.odd.append(f"{type(error).__name__}: {error}")
                return

    def _word(self) -> str:
        self.number += 1
        return f"{self.name}-{self.number}"

    def _as_agent(self, key: str, idempotency: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {key}", **({"Idempotency-Key": idempotency} if idempotency else {})}

    def _as_person(self, session: str) -> dict[str, str]:
        return {"Cookie": f"sessionid={session}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN, "If-Match": '"1"'}

    def _once(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any] | None:
        """Send; return status and body, or None where no whole answer below 500 came."""
        door = http.client.HTTPConnection(self.doors.host, self.doors.port, timeout=30)
        try:
            sent = {"Content-Type": "application/json", **headers}
            door.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, sent)
            answer = door.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            door.close()
        return None if answer.status >= 500 else (answer.status, found)

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str], *, may_give_up: str = ""
    ) -> tuple[int, Any]:
        """Send the same words until an answer comes."""
        ends = time.monotonic() + MOST_SECONDS
        while True:
            answer = self._once(method, path, body, headers)
            if answer is not None:
                return answer
            with self.ledger.lock:
                self.ledger.broken += 1
                if may_give_up and self.chance.random() < 0.1:
                    self.ledger.abandoned.append(may_give_up)
                    raise _GivenUp
            if time.monotonic() > ends:
                raise TimeoutError(f"no answer to {method} {path}")
            time.sleep(0.01)

    def _expect(self, answer: tuple[int, Any], *statuses: int) -> Any:
        if answer[0] not in statuses:
            raise AssertionError(f"{answer[0]} {str(answer[1])[:300]}")
        return answer[1]

    def _ask(self, effect: str, **action: Any) -> dict[str, Any]:
        word = self._word()
        headers = self._as_agent(self.doors.agent, word)
        answer: dict[str, Any] = self._expect(
            self._send("POST", "/actions", action, headers, may_give_up=word), 200, 202
        )
        self.ledger.promise("ask", id=answer["id"], key=word, effect=answer["effect"])
        if answer["effect"] != effect:
            raise AssertionError(f"{effect} was {answer['effect']}: {answer['reasons']}")
        return answer

    def _outcome(self, key: str, action: str) -> None:
        status, _ = self._send("POST", f"/actions/{action}/outcome", {"status": "succeeded"}, self._as_agent(key))
        self._expect((status, _), 200)
        self.ledger.promise("outcome", action=action)

    def _redeem(self, key: str, action: str, digest: str) -> None:
        word = self._word()
        answer = self._send("POST", f"/actions/{action}/redeem", {"digest": digest}, self._as_agent(key, word))
        self._expect(answer, 200)
        self.ledger.promise("redeem", action=action, key=word)

    def _allowed(self) -> None:
        answer = self._ask("allow", **FORM)
        if self.chance.random() < 0.5:
            self._outcome(self.doors.agent, answer["id"])

    def _denied(self) -> None:
        self._ask("deny", **READ)

    def _handed_over(self) -> None:
        answer = self._ask("allow", **FORM, executor="form-filler")
        self._redeem(self.doors.executor, answer["id"], answer["digest"])
        if self.chance.random() < 0.5:
            self._outcome(self.doors.executor, answer["id"])

    def _held(self) -> None:
        answer = self._ask("review", **MAIL)
        approval = answer["approval"]["id"]
        for voter in (self.doors.reviewer, self.doors.second):
            body = {"verdict": "approve", "digest": answer["digest"], "comment": ""}
            # What is approved was read.
            self._expect(self._send("GET", f"/approvals/{approval}", None, self._as_person(voter)), 200)
            # 409: it was counted, and the answer was lost.
            said = self._send("POST", f"/approvals/{approval}/votes", body, self._as_person(voter))
            self._expect(said, 200, 409)
            self.ledger.promise("vote", approval=approval)
        self.ledger.promise("approved", approval=approval)
        self._redeem(self.doors.agent, answer["id"], answer["digest"])
        self._outcome(self.doors.agent, answer["id"])

    def _withdrawn(self) -> None:
        answer = self._ask("review", **MAIL)
        said = self._send("DELETE", f"/actions/{answer['id']}", None, self._as_agent(self.doors.agent))
        self._expect(said, 200, 409)
        self.ledger.promise("cancelled", approval=answer["approval"]["id"])

    def _reported(self) -> None:
        action = self._ask("allow", **FORM)["id"] if self.chance.random() < 0.5 else None
        word = self._word()
        items = [{"type": "run", **run_item(word)}]
        items += [
            {"type": "step", "run_id": f"run-{word}", **step_item(f"{word}-{n}", action_id=action if n else None)}
            for n in range(2)
        ]
        found = self._expect(self._send("POST", "/ingest", {"items": items}, self._as_agent(self.doors.agent)), 200)
        assert {one["status"] for one in found["results"]} <= {"created", "duplicate"}, found
        self.ledger.promise("ingest", run=f"run-{word}", steps=[f"step-{word}-{n}" for n in range(2)])
