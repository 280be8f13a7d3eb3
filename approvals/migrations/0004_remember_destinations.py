"""Fill the table of first-seen destinations from what succeeded before it existed."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import migrations


def remember(apps: Any, _editor: Any) -> None:
    """Keep the first success of each agent at each destination; rows that are there already stay."""
    grants = apps.get_model("approvals", "Grant").objects.filter(state="succeeded").order_by("id")
    revisions = apps.get_model("approvals", "ActionRevision").objects
    known = apps.get_model("approvals", "KnownDestination").objects
    for grant in grants.select_related("decision").iterator():
        revision = None
        if grant.approval_id:
            revision = revisions.filter(request=grant.approval_id, digest=grant.digest).order_by("number").last()
        destinations = revision.facts["destinations"] if revision else grant.decision.destinations
        for text in dict.fromkeys(destinations):
            known.get_or_create(
                agent_id=grant.agent_id,
                digest=hashlib.sha256(text.encode()).hexdigest(),
                defaults={"destination": text, "first_at": grant.closed_at or grant.issued_at},
            )


class Migration(migrations.Migration):
    """Data alone; taking it back leaves the rows, which the table takes along."""

    dependencies = [("approvals", "0003_reviewing")]

    operations = [migrations.RunPython(remember, migrations.RunPython.noop, elidable=True)]
