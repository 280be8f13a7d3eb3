"""The published client and its gates against a served provider: expiry, withdrawal, repetition, races."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from agentapprovalprotocol import (
    Allow,
    AsyncClient,
    AsyncGate,
    Call,
    Client,
    ConflictError,
    CredentialRefused,
    Deny,
    Gate,
    NotFound,
    Pending,
    Receiver,
    WebhookVerificationFailed,
)
from agentapprovalprotocol._gate import CANCELLED_TEXT, CONSUMED_TEXT, EXPIRED_TEXT, REFUSED
from django.db import connection

from approvals.models import Grant
from approvals.states import Verdict
from policies.models import Decision
from tests.delivery.sink import Sink
from tests.protocols.aap.receiving import address, answer_with, deliver
from tests.protocols.aap.scene import FORM, MAIL, decide, framework, make_world
from tests.protocols.aap.serving import waiting
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def served() -> World:
    """A world that other threads see."""
    return make_world()


@pytest.fixture
def client(served: World, live_server: Any) -> Iterator[Client]:
    """The client library's own."""
    made = Client(f"{live_server.url}/aap", served.text, retry_budget=2.0)
    yield made
    made.close()


def _call(key: str, submission: dict[str, Any] = MAIL, **other: Any) -> Call:
    return Call(key=key, tool=submission["tool"], arguments=submission["arguments"], **other)


def test_allowed_once_and_told_so_afterwards(client: Client) -> None:
    gate = Gate(client)
    with gate.guard(_call("a", FORM)) as verdict:
        assert isinstance(verdict, Allow)
    assert Grant.objects.get().state == "succeeded"
    again = gate.check(_call("a", FORM))
    assert isinstance(again, Deny)
    assert (again.reason, again.status) == (CONSUMED_TEXT, "consumed")
    # The same call in another run is another attempt.
    assert gate.check(_call("b", FORM))


def test_arguments_that_only_a_float_can_hold_go_through(client: Client) -> None:
    arguments = {**FORM["arguments"], "ratio": 1.0, "tiny": 1e-7, "huge": 2**70, "none": None, "deep": [{"x": [1.5]}]}
    assert Gate(client).check(_call("a", {**FORM, "arguments": arguments}))


def test_denied_with_the_reason_for_the_model(client: Client, served: World) -> None:
    waits = ThreadPoolExecutor(1).submit(Gate(client).check, _call("a", reasoning="She asked for it."))
    decide(waiting(), served, Verdict.REJECT, "Ask her first.")
    verdict = waits.result(timeout=30)
    assert isinstance(verdict, Deny)
    assert verdict.reason.endswith("Their note: Ask her first.")
    assert Decision.objects.get().purpose == "She asked for it."


def test_undecided_in_time_is_not_run(client: Client) -> None:
    verdict = Gate(client, timeout="1s").check(_call("a"))
    assert isinstance(verdict, Deny)
    assert (verdict.reason, verdict.status) == (EXPIRED_TEXT, "expired")


def test_who_gives_up_withdraws(client: Client) -> None:
    assert not Gate(client, wait_limit=0.0).check(_call("a"))
    request = str(Decision.objects.get().pk)
    assert client.get(request).status == "cancelled"
    verdict = Gate(client).check(_call("a"))
    assert isinstance(verdict, Deny)
    assert verdict.reason == CANCELLED_TEXT


def test_a_pause_ends_when_asked_again(client: Client, served: World) -> None:
    gate = Gate(client, mode="async")
    assert isinstance(gate.check(_call("a")), Pending)
    assert isinstance(gate.check(_call("a")), Pending)
    decide(waiting(), served)
    assert isinstance(gate.check(_call("a")), Allow)
    assert isinstance(gate.check(_call("a")), Deny)
    assert Decision.objects.count() == 1


def test_asynchronously_too(served: World, live_server: Any) -> None:
    async def both() -> list[Any]:
        client = AsyncClient(f"{live_server.url}/aap", served.text, retry_budget=2.0)
        gate = AsyncGate(client)
        async with gate.guard(_call("a", FORM)) as verdict:
            pass
        told = [verdict, await gate.check(_call("a", FORM))]
        await client.aclose()
        return told

    verdict, again = asyncio.run(both())
    assert isinstance(verdict, Allow)
    assert isinstance(again, Deny)
    assert Grant.objects.get().state == "succeeded"


def test_a_receiver_reads_what_it_was_woken_for(client: Client, served: World, live_server: Any) -> None:
    gate = Gate(client, mode="async")
    gate.check(_call("a", resume={"framework": "test", "thread": "t1"}))
    request = waiting()
    decide(request, served)
    seen: list[Any] = []

    async def wake() -> bool:
        reader = AsyncClient(f"{live_server.url}/aap", served.text)
        receiver = Receiver(resumers={"test": lambda handle, found: seen.append((handle, found))}, client=reader)
        woken = await receiver.wake(request)
        await reader.aclose()
        return woken

    assert asyncio.run(wake())
    handle, found = seen[0]
    assert (handle["thread"], found.status) == ("t1", "approved")


def test_the_published_receiver_provisions_itself_and_wakes_the_run(
    served: World, live_server: Any, sink: Sink
) -> None:
    woken: list[Any] = []
    receiver = Receiver(resumers={"test": lambda handle, request: woken.append((handle, request.status))})
    answer_with(sink, receiver)
    base = f"{live_server.url}/aap"
    made = asyncio.run(receiver.provision(provider_url=base, provisioner_token=served.text, url=address(sink)))
    assert made.token == served.text
    agent = framework(served.text)
    asked = agent.ask("a", {**MAIL, "context": {"resume": {"framework": "test", "thread": "t1"}}}).json()
    decide(asked["id"], served)
    # A loop of its own for each delivery: the client made by `provision` belongs to an earlier one.
    receiver.client = None
    receiver._factory = lambda: AsyncClient(base, served.text)
    assert deliver() == 1
    assert [(handle["thread"], status) for handle, status in woken] == [("t1", "approved")]
    sink.says(404)
    with pytest.raises(WebhookVerificationFailed):
        asyncio.run(
            Receiver(resumers={}).provision(provider_url=base, provisioner_token=served.text, url=address(sink))
        )  # fmt: skip


def test_errors_are_those_that_the_client_knows(client: Client, live_server: Any) -> None:
    with pytest.raises(NotFound):
        client.get("00000000-0000-7000-8000-000000000000")
    request = client.create(FORM, "a")
    with pytest.raises(ConflictError, match="idempotency_conflict"):
        client.create(MAIL, "a")
    with pytest.raises(ConflictError, match="not_consumed"):
        client.report_outcome(request.id, "failed")
    with pytest.raises(ConflictError, match="already_terminal"):
        client.cancel(request.id)
    stranger = Client(f"{live_server.url}/aap", "nonsense")
    with pytest.raises(CredentialRefused):
        stranger.get(request.id)
    refused = Gate(stranger).check(_call("a", FORM))
    assert isinstance(refused, Deny)
    assert refused.reason == REFUSED


def _decide(request: str, served: World) -> None:
    """Decide in a thread, and leave no connection behind."""
    try:
        decide(request, served)
    finally:
        connection.close()


class Naive:
    """What a provider must not do: look, then take."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.all = threading.Barrier(4)

    def consume(self, key: str) -> bool:
        """Take leave if nobody has."""
        free = not self.taken
        self.all.wait()
        if free:
            self.taken.append(key)
        return free


def _winners(consume: Any) -> int:
    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(consume, "abcd"))


def test_of_many_that_consume_at_once_one_does(served: World, live_server: Any) -> None:
    assert _winners(Naive().consume) > 1
    clients = {key: Client(f"{live_server.url}/aap", served.text) for key in "abcd"}
    for attempt in range(5):
        request = clients["a"].create(FORM, f"ask-{attempt}").id

        def consume(key: str, request: str = request) -> bool:
            try:
                return clients[key].consume(request, key).consumption is not None
            except ConflictError as error:
                return error.code != "already_consumed"

        assert _winners(consume) == 1
    assert set(Grant.objects.values_list("state", flat=True)) == {"redeemed"}


def test_one_key_asked_by_many_at_once_is_one_request(served: World, live_server: Any) -> None:
    clients = {key: Client(f"{live_server.url}/aap", served.text) for key in "abcd"}
    with ThreadPoolExecutor(4) as threads:
        ids = set(threads.map(lambda key: clients[key].create(MAIL, "one").id, "abcd"))
    assert len(ids) == Decision.objects.count() == 1


def test_of_vote_and_withdrawal_at_once_one_counts(client: Client, served: World) -> None:
    for attempt in range(5):
        request = client.create(MAIL, f"ask-{attempt}").id
        with ThreadPoolExecutor(1) as threads:
            voting = threads.submit(_decide, request, served)
            try:
                withdrawn = client.cancel(request).status == "cancelled"
            except ConflictError as error:
                withdrawn = error.code != "already_terminal"
        assert (voting.exception(timeout=30) is not None) is withdrawn
        found = client.get(request)
        assert found.status == ("cancelled" if withdrawn else "approved")
        assert (Grant.objects.filter(decision=request).count() == 0) is withdrawn
