"""How reviewers and queues do, for administrators, operators and auditors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters as df
from django.db.models import QuerySet
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.measures import queues_measured, require_measures, reviewers_measured
from approvals.models import Queue
from audit import sql
from controlplane.api.filters import Since, Until, Word, earlier
from controlplane.api.people import ListView, person_of, reads
from registry.models import User

PERIOD = timedelta(days=30)
_MEAN = "mean milliseconds from the voter's first opening of the revision to the vote; null: none is known"


class ReviewerShape(s.Serializer[Any]):
    """One person's figures in the period."""

    reviewer = s.CharField(source="username")
    decided = s.IntegerField(help_text="votes cast")
    approved = s.IntegerField(help_text="of these, approvals")
    rejected = s.IntegerField(help_text="of these, rejections")
    timed = s.IntegerField(help_text="of these, votes whose time is known")
    mean_ms = s.FloatField(allow_null=True, help_text=_MEAN)
    glances = s.IntegerField(help_text="votes within three seconds of opening the bytes")
    overridden = s.IntegerField(help_text="votes that somebody called wrong afterwards")
    waiting = s.IntegerField(help_text="open requests that are theirs to vote on, now")


class QueueLoadShape(s.Serializer[Any]):
    """One queue's figures in the period."""

    queue = s.CharField(source="slug")
    quorum = s.IntegerField()
    capacity = s.IntegerField(help_text="open requests that it holds; 0: any number")
    waiting = s.IntegerField(help_text="open requests, now")
    decided = s.IntegerField(help_text="closed by people")
    expired = s.IntegerField(help_text="closed by time")
    escalated = s.IntegerField(help_text="requests that waited so long that another queue's reviewers may vote")
    mean_ms = s.FloatField(allow_null=True, help_text=_MEAN)


class _Period(df.FilterSet):
    """A period, the last 30 days where none is named; it bounds what is counted, not which rows there are."""

    since = Since("at")
    until = Until("at")

    def period(self) -> dict[str, Any]:
        """Return the bounds, who looks, and the time."""
        now = sql.now()
        until = self.form.cleaned_data["until"] or now
        since = self.form.cleaned_data["since"] or earlier(until, PERIOD)
        assert self.request is not None
        return {"for_user": person_of(self.request), "since": since, "until": until, "now": now}


class ReviewerFilters(_Period):
    """Filters of people."""

    reviewer = Word("username")

    def filter_queryset(self, queryset: QuerySet[User]) -> QuerySet[User]:
        """Measure."""
        name = self.form.cleaned_data["reviewer"]
        found = reviewers_measured(**self.period())
        return found.filter(username=name) if name else found


class QueueFilters(_Period):
    """Filters of queues."""

    queue = Word("slug")

    def filter_queryset(self, queryset: QuerySet[Queue]) -> QuerySet[Queue]:
        """Measure."""
        name = self.form.cleaned_data["queue"]
        found = queues_measured(**self.period())
        return found.filter(slug=name) if name else found


class _Measures(ListView):
    """A list of figures; the filters make it."""

    def list(self, request: Request, *args: Any, **path: Any) -> Response:
        """Answer whoever may see how reviewers do.

        Raises:
            Forbidden: anybody else.
        """
        require_measures(person_of(request))
        return super().list(request, *args, **path)


@reads("list_reviewers")
class ReviewersView(_Measures):
    """How reviewers do: time to decide, decisions at a glance, what was called wrong afterwards, load."""

    queryset = User.objects.none()
    serializer_class = ReviewerShape
    filterset_class = ReviewerFilters
    orderings = ("username",)


@reads("list_queue_loads")
class QueueLoadsView(_Measures):
    """How queues do: what waits, what was decided, what expired or was escalated."""

    queryset = Queue.objects.none()
    serializer_class = QueueLoadShape
    filterset_class = QueueFilters
    orderings = ("slug",)
