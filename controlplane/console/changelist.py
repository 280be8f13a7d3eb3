"""A list's page of rows, and what stands around it: tabs with counts, chips, saved views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import IGNORED_PARAMS, ORDER_VAR, SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.views import ChangeList

from controlplane.console import counting, cursors
from controlplane.console.people import viewer
from registry.models import SavedView

AFTER: Final = "after"
BEFORE: Final = "before"
MOST_COUNTED: Final = 1_000
MOST_NEW: Final = 100


class CursorChangeList(ChangeList):
    """Django's list without its counts and its page numbers.

    Attributes:
        has_next, has_previous: whether there are rows beyond those shown.
    """

    has_next = False
    has_previous = False
    _found: tuple[Any, ...] | None = None

    def get_filters_params(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Leave out where the page begins."""
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in {AFTER, BEFORE}}

    def get_filters(self, request: HttpRequest) -> tuple[Any, ...]:
        """Read the filters once: the tabs' counts need them again."""
        if self._found is None:
            self._found = super().get_filters(request)
        return self._found

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Every other order, filter or search begins at its first page."""
        found: str = super().get_query_string({AFTER: None, BEFORE: None, **(new_params or {})}, remove)
        return found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """A tab's own order comes before the list's, and a chosen column's before both."""
        own = list(queryset.query.order_by)
        if own and not self.params.get(ORDER_VAR):
            found: list[Any] = self._get_deterministic_ordering(own)
            return found
        return list(super().get_ordering(request, queryset.order_by()))

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page, and one row more to know whether it is the last."""
        self.keys = cursors.keys_of(self.queryset, self.queryset.query.order_by)
        after, before = request.GET.get(AFTER, ""), request.GET.get(BEFORE, "")
        rows: list[Any] = []
        try:
            if before:
                rows = self._page(cursors.values_of(before, self.keys), backwards=True)
                self.has_next, self.has_previous = True, len(rows) > self.list_per_page
                rows = rows[: self.list_per_page][::-1]
            elif after:
                rows = self._page(cursors.values_of(after, self.keys))
                self.has_previous = True
            if not after and not self.has_previous:
                # At the top the first page is shown whole, also to whoever came from below.
                rows = self._page(None)
        except (cursors.BadCursor, OverflowError) as error:
            # The latter: a filter's moment, at an end of the calendar, that UTC does not have.
            raise IncorrectLookupParameters from error
        if not before or not self.has_previous:
            self.has_next = len(rows) > self.list_per_page
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = False
        self.can_show_all = self.multi_page = False
        self.page_num = 1
        self.paginator = None

    def _page(self, values: list[Any] | None, *, backwards: bool = False) -> list[Any]:
        rows = self.queryset
        if values is not None:
            rows = rows.filter(cursors.beyond(self.keys, values, backwards=backwards))
        return list(rows.order_by(*self._order(backwards=backwards))[: self.list_per_page + 1])

    def _order(self, *, backwards: bool) -> list[Any]:
        return [key.ordering(backwards=backwards) for key in self.keys]

    def count_new(self, since: str) -> int:
        """Count the rows that stand before a place now, up to a bound.

        Raises:
            BadCursor: the place is none of this order.
        """
        values = cursors.values_of(since, self.keys)
        newer = self.queryset.filter(cursors.beyond(self.keys, values, backwards=True))
        return counting.count_up_to([newer], MOST_NEW)[0]

    def place(self, row: Any) -> str:
        """Name a row's place in the present order."""
        return cursors.token(row, self.keys)

    def without(self, *names: str) -> str:
        """Return the query string without some parameters, by their whole names."""
        return self.get_query_string(dict.fromkeys(names))

    def rows_of_tabs(self, request: HttpRequest, spec: Any) -> list[QuerySet[Any]]:
        """Return what each tab would show under the other filters."""
        base = self.get_queryset(request, exclude_parameters=spec.expected_parameters())
        return [spec.keep(base, value) for value, _, _ in spec.tabs]


@dataclass(frozen=True, slots=True)
class TabLink:
    """One tab; `count` is written, and empty where nothing is counted."""

    name: str
    url: str
    selected: bool
    count: str


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a list, as it is drawn."""

    title: str
    choices: tuple[Mapping[str, Any], ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class Chip:
    """What narrows the list now, and the address without it."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class View:
    """A saved view of the person's own."""

    name: str
    url: str
    forget_url: str
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a list shows around its rows.

    Attributes:
        first_place: names the first row's place, for asking what is new; empty on later pages.
        save_url: of the dialog that keeps the present filters under a name.
        noun: what the rows are called, in a sentence.
    """

    tabs: tuple[TabLink, ...]
    filters: tuple[Filter, ...]
    chips: tuple[Chip, ...]
    views: tuple[View, ...]
    save_url: str
    previous_page: str
    next_page: str
    first_place: str
    noun: str


def read_around(cl: CursorChangeList, request: HttpRequest) -> Around:
    """Read it: one query for the tabs' counts, one for the saved views."""
    rows = cl.result_list
    tabs = next((spec for spec in cl.filter_specs if getattr(spec, "is_tab", False)), None)
    others = [spec for spec in cl.filter_specs if spec is not tabs]
    page = f"{cl.opts.app_label}.{cl.opts.model_name}"
    query = cl.get_query_string().removeprefix("?")
    return Around(
        tabs=_tabs(cl, request, tabs) if tabs else (),
        filters=tuple(_filter(cl, spec) for spec in others),
        chips=tuple(_chips(cl, others, tabs)),
        views=_views(request, page, query),
        save_url=f"{reverse('admin:save_view')}?{urlencode({'page': page, 'query': query})}",
        previous_page=cl.get_query_string({BEFORE: cl.place(rows[0])}) if cl.has_previous and rows else "",
        next_page=cl.get_query_string({AFTER: cl.place(rows[-1])}) if cl.has_next and rows else "",
        first_place=cl.place(rows[0]) if rows and not cl.has_previous else "",
        noun=str(cl.opts.verbose_name_plural),
    )


def _tabs(cl: CursorChangeList, request: HttpRequest, spec: Any) -> tuple[TabLink, ...]:
    # A search reads every row that a tab has; it is not done once more for each tab.
    counts = [] if cl.query else counting.count_up_to(cl.rows_of_tabs(request, spec), MOST_COUNTED)
    words = [counting.written(number, MOST_COUNTED) for number in counts] or [""] * len(spec.tabs)
    return tuple(
        TabLink(choice["display"], choice["query_string"], choice["selected"], word)
        for choice, word in zip(spec.choices(cl), words, strict=True)
    )


def _filter(cl: CursorChangeList, spec: Any) -> Filter:
    choices = tuple(spec.choices(cl))
    chosen = next((str(choice["display"]) for choice in choices if choice["selected"]), "")
    return Filter(str(spec.title), choices, chosen if _is_active(cl, spec) else "")


def _is_active(cl: CursorChangeList, spec: Any) -> bool:
    return any(name in cl.filter_params for name in spec.expected_parameters())


def _chips(cl: CursorChangeList, specs: list[Any], tabs: Any) -> list[Chip]:
    chips = [Chip(f"search: {cl.query}", cl.without(SEARCH_VAR))] if cl.query else []
    known = set(tabs.expected_parameters()) if tabs else set()
    for spec in specs:
        names = spec.expected_parameters()
        known |= set(names)
        if _is_active(cl, spec):
            chips.append(Chip(f"{spec.title}: {_filter(cl, spec).chosen or 'other'}", cl.without(*names)))
    for name, values in cl.filter_params.items():
        if name not in known and name not in {*IGNORED_PARAMS, ORDER_VAR, SEARCH_VAR, AFTER, BEFORE}:
            chips.append(Chip(f"{name}: {', '.join(values)}", cl.without(name)))
    return chips


def _views(request: HttpRequest, page: str, query: str) -> tuple[View, ...]:
    rows = SavedView.objects.visible_to(viewer(request)).filter(page=page)
    return tuple(
        View(row.name, f"?{row.query}", reverse("admin:forget_view", args=[row.pk]), row.query == query) for row in rows
    )
