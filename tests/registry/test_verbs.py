"""The verb catalogue's writes."""

from __future__ import annotations

import pytest

from audit.refusals import Invalid
from registry import operations
from registry.models import Catalogue, Verb
from tests.registry.trail import kinds, last
from tests.world import NOW, VERBS, World


def revision() -> int:
    return Catalogue.objects.get().revision


def test_a_verb_is_kept_in_its_normal_form(world: World) -> None:
    assert {verb.name: verb.spec for verb in Verb.objects.all()} == VERBS
    spec = {"data_classes": ["pii", "legal"], "capability": "notify"}
    assert operations.save_verb(name="chat.post", spec=spec, by=world.admin, now=NOW)
    assert Verb.objects.get(name="chat.post").spec["data_classes"] == ["legal", "pii"]
    spec = {"capability": "notify", "data_classes": ["legal", "pii"]}
    assert not operations.save_verb(name="chat.post", spec=spec, by=world.admin, now=NOW)


def test_a_change_gives_the_catalogue_another_revision(world: World) -> None:
    before, entries = revision(), kinds()
    operations.save_verb(name="report.read", spec={"capability": "read"}, by=world.admin, now=NOW)
    assert (revision(), kinds()) == (before, entries)
    operations.save_verb(name="report.read", spec={"capability": "write"}, by=world.admin, now=NOW)
    assert revision() != before
    assert last("verb.changed").before_digest
    newest = Verb.history.filter(name="report.read").latest()
    assert (newest.spec, newest.history_user) == ({"capability": "write"}, world.admin)


def test_every_revision_is_another_and_fits_json(db: None) -> None:
    found = [operations.bump_catalogue(now=NOW) for _ in range(20)]
    assert len(set(found)) == 20
    assert all(0 < number < 2**53 for number in found)
    assert (Catalogue.objects.get().revision, Catalogue.objects.get().changed_at) == (found[-1], NOW)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("Bad Verb", {"capability": "read"}),
        ("a.b", {"capability": "fly"}),
        ("a.b", {}),
        ("a.b", {"capability": "read", "x": 1}),
    ],
)
def test_save_verb_refuses(world: World, name: str, spec: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        operations.save_verb(name=name, spec=spec, by=world.admin, now=NOW)
