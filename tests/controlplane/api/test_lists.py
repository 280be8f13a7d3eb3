"""Lists: who sees what; filters and ordering are known, or refused."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from audit import sql
from tests.controlplane.api.callers import LISTS, person, pointers, problem, rows
from tests.controlplane.api.scene import Scene

pytestmark = pytest.mark.slow

EVERYTHING = set(LISTS)
OF_AN_AGENT = EVERYTHING - {"budgets"}
# What each person finds something in (semantics 12). A list below an agent is missing for who does not see the agent.
SEEN = {
    "admin": EVERYTHING,
    "auditor": EVERYTHING,
    "operator": EVERYTHING,
    "owner": OF_AN_AGENT,
    "reviewer": {"approvals"},
    # Of the trail only what was done to their own team.
    "stranger": {"policies", "audit"},
}


@pytest.mark.slow
@pytest.mark.parametrize("who", SEEN)
def test_lists_show_what_the_person_may_see_and_the_rest_is_missing(scene: Scene, who: str) -> None:
    everything = person(scene.world.admin)
    caller = person(getattr(scene.world, who))
    found = set()
    for path, name in LISTS.items():
        every = rows(everything.get(f"/{path}"))
        answer = caller.get(f"/{path}")
        if path.startswith("agents/") and path not in SEEN[who]:
            problem(answer, 404, "not_found")
            mine = []
        else:
            mine = rows(answer)
        if mine:
            found.add(path)
        seen = {row[name] for row in mine}
        for row in every:
            one = caller.get(f"/{path}/{row[name]}")
            if row[name] in seen:
                assert one.status_code == 200, (path, one.content)
                assert one.json()[name] == row[name]
            else:
                problem(one, 404, "not_found")
    assert found == SEEN[who]


def test_missing_and_foreign_are_told_alike(scene: Scene) -> None:
    caller = person(scene.world.stranger)
    decision = rows(person(scene.world.admin).get("/decisions"))[0]["id"]
    for foreign, missing in (
        (f"/decisions/{decision}", "/decisions/00000000-0000-7000-8000-000000000000"),
        ("/agents/job-applier", "/agents/nobody"),
        ("/agents/job-applier/commands", "/agents/nobody/commands"),
        ("/releases/1", "/releases/999999999999999999999999"),
        (f"/runs/{rows(person(scene.world.admin).get('/runs'))[0]['id']}/steps", "/runs/nothing/steps"),
    ):
        answers = [problem(caller.get(path), 404) for path in (foreign, missing)]
        for answer in answers:
            del answer["instance"], answer["request_id"]
        assert answers[0] == answers[1]


@pytest.mark.parametrize("path", LISTS)
def test_queries_that_are_not_known_are_refused(scene: Scene, path: str) -> None:
    caller = person(scene.world.admin)
    for query, pointer in (
        ("?surplus=1", "/surplus"),
        ("?format=json", "/format"),
        ("?ordering=secret", "/ordering"),
        ("?ordering=agent__slug", "/ordering"),
        ("?page_size=0", "/page_size"),
        ("?page_size=201", "/page_size"),
        ("?page_size=ten", "/page_size"),
        ("?page_size=-5", "/page_size"),
        ("?page_size=1&page_size=2", "/page_size"),
        ("?cursor=hello", "/cursor"),
        ("?cursor=W10", "/cursor"),
        ("?cursor=", "/cursor"),
        ("?ordering=", "/ordering"),
        ("?a/b~c=1", "/a~1b~0c"),
    ):
        found = problem(caller.get(f"/{path}{query}"), 400, "bad_query")
        assert pointers(found)[0][0] == pointer, query
    assert caller.get(f"/{path}?page_size=200").status_code == 200


def test_details_take_no_query(scene: Scene) -> None:
    problem(person(scene.world.admin).get("/agents/job-applier?expand=all"), 400, "bad_query")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "query", "count"),
    [
        ("agents", "team=talent&state=active&owner=talent-lead&enforcement=advisory", 1),
        ("agents", "team=billing", 0),
        ("agents", "state=paused", 0),
        ("keys", "agent=job-applier&environment=production&state=live", 1),
        ("versions", "agent=job-applier&state=production", 1),
        ("releases", "agent=job-applier&environment=staging&state=live", 1),
        ("policies", "state=published&author=admin", 1),
        ("policies", "state=draft", 0),
        ("decisions", "effect=allow&agent=job-applier&team=talent&environment=production&dry_run=false", 1),
        ("decisions", "verb=email.send", 1),
        ("decisions", "dry_run=true", 0),
        ("approvals", "state=pending&queue=outreach&verb=email.send&agent=job-applier&team=talent", 1),
        ("approvals", "queue=other", 0),
        ("runs", "status=failed&agent=job-applier&team=talent&source=api&event_id=run-1", 1),
        ("runs", "status=succeeded", 0),
        ("failures", "agent=job-applier&error_type=Timeout", None),
        ("failures", "state=resolved", 0),
        ("usage", "provider=openai&model=gpt-4o-mini&unpriced=false&shadow=false&late=false", 1),
        ("usage", "unpriced=true", 0),
        ("budgets", "scope=team&team=talent&per=month&at_limit=deny&active=true", 1),
        ("budgets", "active=false", 0),
        ("audit", "kind=action.decided&agent=job-applier&team=talent&actor_type=agent&outcome=allow", 1),
        ("agents/job-applier/commands", "kind=start&state=requested", 1),
    ],
)
def test_filters_keep_what_they_say(scene: Scene, path: str, query: str, count: int | None) -> None:
    found = rows(person(scene.world.admin).get(f"/{path}?{query}"))
    assert len(found) == count if count is not None else found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("agents", "state=happy"),
        ("decisions", "effect=maybe"),
        ("decisions", "dry_run=perhaps"),
        ("decisions", "run_id=seven"),
        ("decisions", "since=2026-01-01T00:00:00"),
        ("decisions", "since=yesterday"),
        ("decisions", "until=0001-01-01T00:00:00%2B14:00"),
        ("decisions", "verb=%00"),
        ("decisions", "verb="),
        ("decisions", "team=a&team=b"),
        ("approvals", "queue=%00"),
        ("usage", "unpriced=1"),
        ("agents", f"owner={'x' * 300}"),
    ],
)
def test_values_that_a_filter_does_not_admit_are_refused(scene: Scene, path: str, query: str) -> None:
    found = problem(person(scene.world.admin).get(f"/{path}?{query}"), 400, "bad_query")
    assert pointers(found)[0][0] == "/" + query.partition("=")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    ["agents", "versions", "releases", "policies", "decisions", "approvals", "runs", "failures", "usage", "audit"],
)
def test_since_and_until_bound_a_stretch_of_time(scene: Scene, path: str) -> None:
    caller, now = person(scene.world.admin), sql.now()
    before, after = (quote((now + delta).isoformat()) for delta in (-timedelta(hours=1), timedelta(hours=1)))
    every = len(rows(caller.get(f"/{path}")))
    assert every
    assert len(rows(caller.get(f"/{path}?since={before}&until={after}"))) == every
    assert rows(caller.get(f"/{path}?since={after}")) == []
    assert rows(caller.get(f"/{path}?until={before}")) == []
    assert len(rows(caller.get(f"/{path}?since=0001-01-01T00:00:00Z"))) == every
