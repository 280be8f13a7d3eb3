"""Welcome: from nothing to the first useful refusal, in steps that tick from what is so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from controlplane import demo
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import ConsoleSubpage
from policies.models import Decision, Revision
from policies.states import RevisionState
from registry.models import Agent, AgentKey, Team, User
from registry.states import Role


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        done: whether it is so already.
        text: what to do, or what came of it.
        url, action: the next click; empty where there is none.
        dialog: whether the click opens a dialog.
    """

    title: str
    done: bool
    text: str
    url: str = ""
    action: str = ""
    dialog: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WelcomePage:
    """Everything that the page shows.

    Attributes:
        steps: in their order.
        curl: what asks for the first time, for the shell.
        waiting: whether the page looks again by itself, because an agent's request is awaited.
    """

    heading: str
    steps: tuple[Step, ...]
    curl: str
    waiting: bool


def read_welcome(user: User, *, origin: str, now: datetime) -> WelcomePage:
    """Read the page.

    Args:
        user: who looks; the steps tick from what they see.
        origin: scheme and host under which the installation was reached.
        now: aware UTC.
    """
    agents = Agent.objects.visible_to(user)
    agent = agents.order_by("-created_at").first()
    has_key = AgentKey.objects.live(now).filter(agent__in=agents.values("pk")).exists()
    decision = Decision.objects.visible_to(user).real().order_by("at").first()
    ruled = Revision.objects.filter(state=RevisionState.PUBLISHED).exclude(document={}).exists()
    reviewers = User.objects.filter(is_active=True, role=Role.REVIEWER).exclude(pk=user.pk).exists()
    loads = user.role == Role.ADMIN and agent is None and not demo.is_loaded()
    said = decision.reasons[0]["text"] if decision is not None and decision.reasons else ""
    steps: tuple[Step, ...] = (
        Step(
            "Name an agent, or load the demonstration", agent is not None,
            f"{agent.slug} is registered." if agent else "An agent is whatever acts for you: a workflow, a script.",
            f"{list_of(Agent)}do/register/" if agent is None else page_of(agent),
            "Register an agent…" if agent is None else "Open it", agent is None,
        ),
        Step(
            "Give it a key", has_key,
            "A live key exists; its text was shown once." if has_key else "The key is shown once: copy it.",
            page_of(agent, "issue-key") if agent else "", "Issue a key…" if agent else "", True,
        ),
        Step(
            "Wait for its first request", decision is not None,
            f"{decision.effect}: {said}" if decision else "Run the command below with the key; this page looks again.",
            page_of(decision) if decision else "", "Read why" if decision else "",
        ),
        Step(
            "Add a rule", ruled,
            "A policy is published." if ruled else "Without a rule everything is denied, which is where it starts.",
            list_of(Revision), "Open policies",
        ),
        Step(
            "Invite a reviewer", reviewers,
            "Somebody can decide what rules hold back." if reviewers else "Held actions need somebody to decide.",
            f"{list_of(User)}do/create/" if user.role == Role.ADMIN else "",
            "Create a person…" if user.role == Role.ADMIN else "", True,
        ),
    )  # fmt: skip
    if user.role == Role.ADMIN and agent is None and not Team.objects.exists():
        team = Step(
            "Create a team", False, "Agents stand in a team, and its people see them.",
            f"{list_of(Team)}do/create/", "Create a team…", True,
        )  # fmt: skip
        steps = (team, *steps)
    if loads:
        demonstration = Step(
            "Or see it work first", False, "The demonstration brings an agent, rules and runs, all named “demo”.",
            reverse("admin:demo"), "Load the demonstration…", True,
        )  # fmt: skip
        steps = (steps[0], demonstration, *steps[1:])
    curl = (
        f'curl -X POST "{origin}/api/v1/actions" -H "Authorization: Bearer $AGENT_KEY" \\\n'
        '  -H "Idempotency-Key: first-1" -H "Content-Type: application/json" \\\n'
        '  -d \'{"verb": "email.send", "payload": {"to": ["jane@example.com"], "subject": "Hello"}}\''
    )
    return WelcomePage(heading="Welcome", steps=steps, curl=curl, waiting=has_key and decision is None)


class Welcome(ConsoleSubpage):
    """The page; it is read only."""

    def get(self, request: HttpRequest, **_: object) -> HttpResponse:
        """Show it."""
        origin = request.build_absolute_uri("/").rstrip("/")
        page = read_welcome(self.user, origin=origin, now=timezone.now())
        return self.framed("console/welcome.html", {"page": page, "title": page.heading})
