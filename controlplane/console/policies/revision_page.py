"""The page of one revision: what it says, what it changes, whether it could be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from approvals.models import Queue
from audit.refusals import Refusal
from controlplane.apply import dumping
from controlplane.console.admins import Button, list_of, page_of
from controlplane.console.diffs import Line, line_diff
from controlplane.console.policies.checks import Check
from controlplane.console.policies.replays import ReplayLine, replay_line
from controlplane.console.policies.sentence_diffs import PolicyChange, changes, scope_of
from controlplane.console.policies.sentences import Sentence, sentences
from policies import snapshots
from policies.compile import compile_set
from policies.language import PolicySet, dump, parse
from policies.models import Revision
from policies.operations.revisions import BaseMoved, known_subjects, require_base
from policies.permissions import matched_agents
from policies.rehearsal import Outcome, outcomes
from policies.snapshots import published
from policies.states import RevisionState
from registry.models import Agent, User
from registry.states import Role

DRAFTERS: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER})
_MOST_OFFERED: Final = 50


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One policy of the set, in sentences."""

    slug: str
    mode: str
    scope: str
    rules: tuple[Sentence, ...]
    tests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionPage:
    """Everything that the page shows.

    Attributes:
        base: number of the revision in force when it was written; None where nobody noted it.
        moved: why it cannot be published over what is in force; empty where it can.
        document: the set as YAML.
        against: number of the revision that `diff` compares with; None where there is none to compare.
        changes: the same by policy and rule, in sentences.
        others: numbers of revisions that can be compared with.
        tests: how its tests came out; None where they were not asked for.
        edit_url: of the editor, empty where this person may not edit it.
        try_url: of "what would happen if", about this revision.
        replay: the newest replay of exactly this text that the person may see.
        replay_url: asks for a replay, empty where this person may not.
    """

    heading: str
    number: int
    state: str
    author: str
    created_at: datetime
    published_by: str
    published_at: datetime | None
    reason: str
    base: int | None
    moved: str
    restores: int | None
    tests_run: int
    digest: str
    policies: tuple[PolicyLine, ...]
    document: str
    against: int | None
    diff: tuple[Line, ...]
    changes: tuple[PolicyChange, ...]
    others: tuple[int, ...]
    tests: tuple[Outcome, ...] | None
    tests_error: str
    buttons: tuple[Button, ...]
    edit_url: str
    try_url: str
    replay: ReplayLine | None
    replay_url: str

    @property
    def failed(self) -> int:
        """How many tests came out otherwise."""
        return sum(not outcome.passed for outcome in self.tests or ())


def as_yaml(document: Mapping[str, Any]) -> str:
    """Write a policy set as the YAML that ``apply`` reads."""
    native = dump(parse(document), native_dates=True)
    return dumping.dump(native) if native else ""


def read_revision(revision: Revision, *, user: User, against: str = "", tests: bool = False) -> RevisionPage:
    """Read the page.

    Args:
        revision: its author and publisher are joined.
        user: who looks.
        against: number of the revision to compare with; empty or unknown: the published one.
        tests: whether its tests are run.
    """
    live = published()
    other = _compared(revision, live, against)
    document = as_yaml(revision.document)
    found, error = run_tests(revision) if tests else (None, "")
    numbers = Revision.objects.exclude(pk=revision.pk).values_list("number", flat=True)
    return RevisionPage(
        heading=f"Policies r{revision.number}",
        number=revision.number,
        state=revision.state,
        author=revision.author.username,
        created_at=revision.created_at,
        published_by=revision.published_by.username if revision.published_by else "",
        published_at=revision.published_at,
        reason=revision.reason,
        base=revision.base,
        moved=moved(revision, live),
        restores=revision.restores,
        tests_run=revision.tests_run,
        digest=revision.digest,
        policies=tuple(lines_of(parse(revision.document))),
        document=document,
        against=other.number if other else None,
        diff=tuple(line_diff(as_yaml(other.document), document)) if other else (),
        changes=changes(parse(other.document), parse(revision.document)) if other else (),
        others=tuple(numbers[:_MOST_OFFERED]),
        tests=found,
        tests_error=error,
        buttons=_buttons(revision, user),
        edit_url=page_of(revision, "edit") if _edits(revision, user) else "",
        try_url=f"{list_of(Revision)}do/try/?revision={revision.number}",
        replay=replay_line(revision, user),
        replay_url=page_of(revision, "replay") if _replays(revision, user) else "",
    )


def _compared(revision: Revision, live: Revision | None, against: str) -> Revision | None:
    # str.isdigit() also takes ², which int() does not.
    if against.isascii() and against.isdigit() and len(against) < 10:
        wanted = Revision.objects.filter(number=int(against)).exclude(pk=revision.pk).first()
        if wanted is not None:
            return wanted
    return None if live is None or live.pk == revision.pk else live


def moved(revision: Revision, live: Revision | None) -> str:
    """Say why a draft cannot be published over what is in force; empty where it can."""
    try:
        require_base(revision, live)
    except BaseMoved as refusal:
        return refusal.detail
    return ""


def run_tests(revision: Revision) -> tuple[tuple[Outcome, ...], str]:
    """Run a revision's own tests; the text says what keeps it from being compiled."""
    policies = parse(revision.document)
    try:
        snapshot = compile_set(policies, snapshots.verbs_in_force(), frozenset(queue_names()))
    except Refusal as refusal:
        return (), " ".join(problem.detail for problem in refusal.errors) or refusal.detail
    return outcomes(policies, snapshot, known_subjects()), ""


def queue_names() -> list[str]:
    """Return the slugs of the queues that rules may name."""
    return list(Queue.objects.values_list("slug", flat=True))


def checklist(revision: Revision) -> tuple[Check, ...]:
    """Return what is looked at before a draft is published."""
    live = published()
    before = parse(live.document) if live else PolicySet({})
    after = parse(revision.document)
    found, error = run_tests(revision)
    failed = [outcome for outcome in found if not outcome.passed]
    if error:
        tests = Check(False, error)
    elif failed:
        tests = Check(False, f"{len(failed)} of its {len(found)} tests fail: publishing is refused.")
    elif found:
        tests = Check(True, f"All {len(found)} of its tests pass.")
    else:
        tests = Check(None, "It has no tests of its own.")
    away = moved(revision, live)
    present = f"r{live.number}" if live else "nothing"
    base = Check(not away, away or f"It was written over what is in force ({present}).")
    return (Check(None, effect_sentence(before, after)), tests, base)


def effect_sentence(before: PolicySet, after: PolicySet) -> str:
    """Say what publishing changes, and for how many agents."""
    old, new = before.policies, after.policies
    parts = [
        f"{word} {', '.join(sorted(slugs))}"
        for word, slugs in (
            ("changes", [slug for slug in new if slug in old and old[slug] != new[slug]]),
            ("adds", [slug for slug in new if slug not in old]),
            ("takes away", [slug for slug in old if slug not in new]),
        )
        if slugs
    ]
    if not parts:
        return "It says what is in force already."
    touched = [old.get(slug) for slug in {*old, *new} if old.get(slug) != new.get(slug)]
    touched += [new.get(slug) for slug in {*old, *new} if old.get(slug) != new.get(slug)]
    reach = Agent.objects.none()
    for policy in touched:
        if policy is not None:
            reach |= matched_agents(policy)
    number = reach.distinct().count()
    agents = f"{number} agent" if number == 1 else f"{number} agents"
    return f"From the next request on it {', '.join(parts)}, for {agents}."


def lines_of(policies: PolicySet) -> list[PolicyLine]:
    """Return each policy of a set in sentences."""
    found = []
    for slug, policy in policies.policies.items():
        found.append(PolicyLine(slug, policy.mode, scope_of(policy), tuple(sentences(policy)), len(policy.tests)))
    return found


def _edits(revision: Revision, user: User) -> bool:
    return (
        revision.state == RevisionState.DRAFT
        and user.role in DRAFTERS
        and (user.role == Role.ADMIN or user.pk == revision.author_id)
    )


def _replays(revision: Revision, user: User) -> bool:
    return user.role in DRAFTERS and revision.state != RevisionState.DISCARDED


def _buttons(revision: Revision, user: User) -> tuple[Button, ...]:
    if user.role not in DRAFTERS:
        return ()
    if revision.state == RevisionState.DRAFT:
        mine = user.role == Role.ADMIN or user.pk == revision.author_id
        away = "" if mine else "Only its author and administrators discard a draft."
        return (
            Button(f"Publish r{revision.number}…", page_of(revision, "publish"), "main"),
            Button("Discard…", page_of(revision, "discard"), obstacle=away),
        )
    if revision.state == RevisionState.SUPERSEDED:
        return (Button(f"Roll back to r{revision.number}…", page_of(revision, "roll-back")),)
    return ()
