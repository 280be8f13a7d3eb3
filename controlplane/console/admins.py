"""What every list and object page of the console has in common.

What a person may see is decided in `controlplane.console.rights`; nothing is added, changed or
deleted by a stock form. Writing goes through the dialogs (`controlplane.console.dialogs`), which
call operations.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.apps import apps
from django.contrib.admin import AdminSite
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from controlplane.console import rights
from controlplane.console.changelist import CursorChangeList, read_around
from controlplane.console.cursors import BadCursor
from controlplane.console.text import named

if TYPE_CHECKING:
    from controlplane.console.dialogs import Dialog, Subpage

# Beside the pages that name them.
EVERYBODY, READERS = rights.EVERYBODY, rights.READERS
_READING = ("GET", "HEAD")
_LONGEST_SEARCH: Final = 500
_MOST_WORDS: Final = 20
# The script asks with this header how many rows came since the first one that it shows.
NEW_SINCE = "X-Console-New-Since"


@dataclass(frozen=True, slots=True)
class Empty:
    """What an empty list says.

    Attributes:
        text: what it means.
        hint: the next step.
        code: a command to copy, or empty.
    """

    text: str
    hint: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """Opens a dialog.

    Attributes:
        label: verb and object.
        url: of the dialog.
        tone: ``main``, ``danger`` or empty.
        obstacle: why this person cannot; the button is disabled then.
    """

    label: str
    url: str
    tone: str = ""
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a sheet; `value` is text, or markup that a template tag made."""

    label: str
    value: Any
    code: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page of an object that needs no drawing of its own."""

    heading: str
    facts: tuple[Fact, ...]
    buttons: tuple[Button, ...] = ()


class _Abstract(forms.MediaDefiningClass, ABCMeta):
    """Django's metaclass of admins, and abstract methods: an admin without a page fails when it is registered."""


class ConsoleAdmin(rights.ByRights, ModelAdmin, metaclass=_Abstract):
    """A list and an object page, read only, of what the person may see.

    Attributes:
        plural: what the pages are called; the model's own plural when left out.
        page_template: of the object page.
        dialogs: of one object, by the word in their address.
        list_dialogs: of the list.
        empty: what the empty list says.
        default_tab: value of the tab that is open when the address names none.
        link_lookups: what addresses of the list may ask besides its filters, because a link or a form of ours does.
    """

    plural: ClassVar[str] = ""
    page_template: ClassVar[str] = "console/sheet.html"
    dialogs: ClassVar[Mapping[str, type[Subpage]]] = {}
    list_dialogs: ClassVar[Mapping[str, type[Dialog]]] = {}
    empty: ClassVar[Empty] = Empty("Nothing here yet.")
    link_lookups: ClassVar[frozenset[str]] = frozenset()

    change_list_template = "console/list.html"
    show_full_result_count = False
    # The list's address is kept by the browser, not in every link of every row.
    preserve_filters = False
    list_per_page = 50
    actions = None
    search_help_text = "Search"

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses: list, dialogs, object. There are no stock forms."""
        label = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name=f"{label}_changelist"),
            *(
                path(f"do/{word}/", wrap(view.as_view(pages=self)), name=f"{label}_{word}")
                for word, view in self.list_dialogs.items()
            ),
            *(
                path(f"<str:object_id>/{word}/", wrap(view.as_view(pages=self)), name=f"{label}_{word}")
                for word, view in self.dialogs.items()
            ),
            path("<str:object_id>/", wrap(self.change_view), name=f"{label}_change"),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Show the object's page."""
        if request.method not in _READING:
            return HttpResponseNotAllowed(_READING)
        return self.show(request, self.found(request, object_id))

    def show(self, request: HttpRequest, row: Any, *, status: int = 200) -> HttpResponse:
        """Render the page of an object."""
        page = self.page(request, row)
        context = {"page": page, "title": named(page.heading), "row": row, "has_view_permission": True}
        return self.render(request, self.page_template, context, status=status)

    @abstractmethod
    def page(self, request: HttpRequest, row: Any) -> Any:
        """Return the frozen dataclass that the page shows."""

    def render(
        self, request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200
    ) -> HttpResponse:
        """Render a page inside the console's frame."""
        request.current_app = self.admin_site.name
        up = {"list_url": list_of(self.model), "list_name": self.called}
        frame = {**self.admin_site.each_context(request), **up, **context}
        return TemplateResponse(request, template, frame, status=status)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CursorChangeList]:
        """Page by keys."""
        return CursorChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Show the list; nothing can be posted to it."""
        if request.method not in _READING:
            return HttpResponseNotAllowed(_READING)
        if any("\0" in value for values in request.GET.lists() for value in (values[0], *values[1])):
            # No text of either database holds it.
            return HttpResponseRedirect("?e=1")
        context = {
            "title": self.called,
            "buttons": self.list_buttons(request),
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            cl = response.context_data["cl"]
            if NEW_SINCE in request.headers:
                return _count_new(cl, request.headers[NEW_SINCE])
            response.context_data["around"] = read_around(cl, request)
        return response

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Admit what the filters and our links ask.

        Django would admit every look-up of the model's own columns: ``password__startswith`` tells what no list shows,
        and one regular expression holds SQLite, and with it the process, for as long as it likes.
        """
        if not _names_a_column(self.model, lookup):
            return True  # no column: the list opens without it, and says that it did not understand
        return lookup in self.link_lookups or any(lookup in _lookups_of(each) for each in self.list_filter)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for the first words: each is a condition on every column, and a statement holds only so many."""
        words = " ".join(search_term[:_LONGEST_SEARCH].split()[:_MOST_WORDS])
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, words)
        return found

    @property
    def called(self) -> str:
        """What the pages are called."""
        return self.plural or str(self.opts.verbose_name_plural).capitalize()

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Return the buttons above the list."""
        return ()

    def address(self, row: Any, word: str = "change") -> str:
        """Return the address of an object's page or dialog."""
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{word}", args=[row.pk])


def _names_a_column(model: type[Model], lookup: str) -> bool:
    name = lookup.partition("__")[0]
    if name == "pk":
        return True
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _lookups_of(item: Any) -> set[str]:
    """Return the parameters of one entry of ``list_filter``."""
    if isinstance(item, str):
        return {item, f"{item}__exact", f"{item}__isnull"}
    if isinstance(item, tuple):
        return {f"{item[0]}__isempty"}
    return {item.parameter_name}


def _count_new(cl: CursorChangeList, place: str) -> HttpResponse:
    """Answer how many rows stand before the first one shown, as a bare number."""
    try:
        found = cl.count_new(place)
    except BadCursor:
        return HttpResponseBadRequest()
    return HttpResponse(str(found), content_type="text/plain")


def pages_of(site: AdminSite) -> dict[type[Model], ConsoleAdmin]:
    """Return the console's pages by their model."""
    found = {model: site.get_model_admin(model) for model in apps.get_models() if site.is_registered(model)}
    return {model: pages for model, pages in found.items() if isinstance(pages, ConsoleAdmin)}


def page_of(row: Model, word: str = "change") -> str:
    """Return the address of an object's page or dialog in the console."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{word}", args=[row.pk])


def list_of(model: type[Model], query: str = "") -> str:
    """Return the address of a list, filtered by a query string."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{url}?{query}" if query else url
