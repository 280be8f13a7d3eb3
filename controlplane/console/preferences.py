"""What a person keeps for themselves: saved views of lists, and whether single keys do something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django import forms
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse

from controlplane.console.admins import list_of, pages_of
from controlplane.console.changelist import AFTER, BEFORE
from controlplane.console.dialogs import ConsoleDialog, Done, Words
from controlplane.console.people import viewer
from registry.models import SavedView
from registry.models.preferences import LONGEST_NAME
from registry.operations import forget_view, save_view, set_shortcuts


class ViewName(forms.Form):
    """What the view is called."""

    name = forms.CharField(max_length=LONGEST_NAME, help_text="The same name again replaces what it stood for.")


class SaveView(ConsoleDialog):
    """Keep a list's search and filters under a name; the address names the list and the filters."""

    form_class = ViewName
    model: type[Model]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Find the list first: pages that the person does not have are not there."""
        page = request.GET.get("page", "")
        model, pages = next(
            ((model, pages) for model, pages in pages_of(self.site).items() if model._meta.label_lower == page),
            (None, None),
        )
        if model is None or pages is None or not pages.has_module_permission(request):
            raise Http404
        self.model, self.list_name = model, pages.called
        # Written anew, so that what is kept is a query string and nothing else.
        pairs = parse_qsl(request.GET.get("query", ""), keep_blank_values=True)
        self.query = urlencode([(name, value) for name, value in pairs if name not in {AFTER, BEFORE}])
        return super().dispatch(request, *args, **kwargs)

    def words(self) -> Words:
        """Say what is kept."""
        shown = ", ".join(f"{name}: {value}" for name, value in parse_qsl(self.query)) or "the whole list"
        return Words(f"Save a view of {self.list_name}", (f"It shows {shown}. Only you see it.",), "Save the view")

    def back(self) -> str:
        """Lead back to the list as it was."""
        return list_of(self.model, self.query)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        page = self.model._meta.label_lower
        view = save_view(page=page, name=data["name"], query=self.query, by=self.user, now=self.now)
        return Done(f"The view “{view.name}” is saved.", self.back())


class ForgetView(ConsoleDialog):
    """Forget a saved view."""

    row: SavedView

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Find the person's own view; another's is not there."""
        row = SavedView.objects.visible_to(viewer(request)).filter(pk=kwargs.pop("view_id")).first()
        if row is None:
            raise Http404
        self.row = row
        return super().dispatch(request, *args, **kwargs)

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Forget the view “{self.row.name}”?", ("The rows themselves stay as they are.",), "Forget it")

    def back(self) -> str:
        """Lead back to the list."""
        model = next((model for model in pages_of(self.site) if model._meta.label_lower == self.row.page), None)
        return list_of(model) if model else super().back()

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Forget it."""
        back = self.back()
        view = forget_view(view_id=self.row.pk, by=self.user, now=self.now)
        return Done(f"The view “{view.name}” is forgotten.", back)


class Keys(forms.Form):
    """Whether single keys do something."""

    shortcuts = forms.BooleanField(
        label="Single keys do something", required=False,
        help_text="For example g then a opens Approvals, j and k walk through a list. They never act inside fields. "
        "Ctrl K and Ctrl E work either way.",
    )  # fmt: skip


class Shortcuts(ConsoleDialog):
    """Turn single-key shortcuts on or off for oneself."""

    form_class = Keys

    def words(self) -> Words:
        """Name the effect."""
        return Words("Keyboard shortcuts", ("This is about your account alone, in every browser.",), "Save")

    def initial(self) -> dict[str, Any]:
        """Hold the present choice."""
        return {"shortcuts": self.user.shortcuts}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        set_shortcuts(on=data["shortcuts"], by=self.user, now=self.now)
        return Done(f"Single-key shortcuts are {'on' if data['shortcuts'] else 'off'}.", self.back())
