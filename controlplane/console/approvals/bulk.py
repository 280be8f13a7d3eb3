"""Approving several requests of one verb and one agent: every one of them is shown whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse

from approvals.models import ActionRevision, ApprovalRequest
from approvals.operations import Read, approve_many, bulk_limit, read_bytes
from approvals.permissions import may_read_bytes
from audit.refusals import Conflict, Missing, Refusal
from controlplane.console import formats
from controlplane.console.admins import list_of, page_of
from controlplane.console.approvals.beside import like, waiting_for
from controlplane.console.approvals.lookalikes import Domains
from controlplane.console.approvals.marks import Marked, known_domains, read_marks
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, Words


class Several(forms.Form):
    """Which ones, and a word about them."""

    comment = forms.CharField(
        label="Comment", max_length=LONGEST_REASON, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One request, with its bytes.

    Attributes:
        token: names the request and what was read of it.
        ticked: whether it is to be approved: each one at first, then those that the person left.
    """

    request: ApprovalRequest
    url: str
    token: str
    ticked: bool
    marked: Marked
    size: int
    digest: str


class ApproveSeveral(Dialog):
    """Approve what is ticked."""

    template: ClassVar[str] = "console/approvals/bulk.html"
    form_class = Several
    rows: tuple[Row, ...] = ()

    def model(self) -> ApprovalRequest:
        """Return the request that the others are like.

        Raises:
            Missing: there is none, or it is not theirs to see.
        """
        try:
            wanted = UUID(self.request.GET.get("like", ""))
        except ValueError:
            raise Missing from None
        rows = ApprovalRequest.objects.visible_to(self.user).filter(pk=wanted)
        found = rows.select_related("agent__team", "decision").prefetch_related("queues").first()
        if found is None:
            raise Missing
        return found

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Approve several",
            (
                "Each one that stays ticked is a vote of its own on the bytes shown here.",
                "What changed while you read is left as it is, and you are told.",
            ),
            "Approve what is ticked",
        )

    def back(self) -> str:
        """Lead to the list."""
        return list_of(ApprovalRequest)

    def check(self) -> None:
        """Open every request that is like the named one.

        Raises:
            Conflict: their queues admit one at a time, or nothing like it waits.
        """
        model = self.model()
        limit = bulk_limit(model)
        if limit < 2:
            raise Conflict("The queue admits each request by itself.")
        waiting = [row for row in waiting_for(self.user, now=self.now) if like(row, model)]
        # Each one is asked about: no more than are shown.
        readable = list(islice((row for row in waiting if may_read_bytes(row, self.user)), limit))
        if not readable:
            raise Conflict("Nothing like it waits for you.")
        known = known_domains(model)
        self.rows = tuple(self._open(row, known) for row in readable)

    def _open(self, request: ApprovalRequest, known: Domains) -> Row:
        revision: ActionRevision = read_bytes(request=request, by=self.user, now=self.now)
        token = f"{request.pk}:{revision.number}:{revision.digest}"
        ticked = self.request.method != "POST" or token in self.request.POST.getlist("row")
        return Row(
            request, page_of(request), token, ticked,
            read_marks(request, revision, known=known), len(revision.body), revision.digest,
        )  # fmt: skip

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Render the page with its rows."""
        words = self.words()
        context = {
            "words": words,
            "form": form,
            "refusal": refusal,
            "rows": self.rows,
            "title": words.title,
            "back": self.back(),
            "action": self.request.get_full_path(),
        }
        return self.framed(self.template, context, status=refusal.status if refusal else status)

    def post(self, request: HttpRequest, **rest: Any) -> HttpResponse:
        """Vote; where nothing was ticked or the comment is no good, show them again as they were left."""
        form = self.make_form(request.POST)
        if request.POST.getlist("row") and form.is_valid():
            return super().post(request, **rest)
        try:
            self.check()
        except Refusal as refusal:
            return self.answer(None, refusal)
        if not form.is_valid():
            return self.answer(form, None, status=422)
        return self.answer(form, Conflict("Nothing is ticked."))

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Approve what is ticked; say what was left."""
        read = [_read(token) for token in self.request.POST.getlist("row")]
        voted = approve_many(read=read, comment=data["comment"], by=self.user, now=self.now)
        left = [each.refusal for each in voted if each.refusal]
        text = f"{formats.plural(len(voted) - len(left), 'approval')} of {len(voted)} counted."
        return Done(" ".join([text, *(f"Left: {why}" for why in dict.fromkeys(left))]), self.back())


def _read(token: str) -> Read:
    """Read what a tick says.

    Raises:
        Missing: it is none of ours.
    """
    request, _, rest = token.partition(":")
    revision, _, digest = rest.partition(":")
    if not (revision.isascii() and revision.isdigit() and len(revision) < 10 and len(digest) == 64):
        raise Missing
    try:
        return Read(UUID(request), int(revision), digest)
    except ValueError:
        raise Missing from None
