"""Prices: models that nobody can price, the prices of our own, and what a new one would change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from audit.refusals import Refusal, invalid
from controlplane.console.admins import Button, ConsoleAdmin, Empty, Fact, Sheet, list_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, Words
from controlplane.console.formats import money, plural
from controlplane.console.lists import time_column
from controlplane.console.people import viewer
from controlplane.console.tags import draw_money
from costs.models import ModelPrice, Usage
from costs.money import format_usd, parse_usd
from costs.operations import preview, price_model
from costs.own_prices import Rates
from costs.permissions import may_rerate
from costs.prices import price_version
from registry.models import User

MOST_MODELS: Final = 100


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model without a price, by its calls that the person sees."""

    model: str
    calls: int
    last_at: datetime
    url: str
    price_url: str


class Rate(forms.Form):
    """What a million tokens cost."""

    model = forms.CharField(label="Model", max_length=200, strip=False, help_text="Exactly as agents report it.")
    input = forms.CharField(label="Input, USD per million tokens", max_length=24)
    cache_read = forms.CharField(label="Read from cache, USD per million tokens", max_length=24)
    cache_write = forms.CharField(label="Written to cache, USD per million tokens", max_length=24)
    output = forms.CharField(
        label="Output, USD per million tokens", max_length=24, help_text="Reasoning is a part of output."
    )
    reason = forms.CharField(
        label="Where the price comes from", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 2})
    )
    confirmed = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)


class PriceModel(Dialog):
    """Write a price down; the effect is shown before it is done."""

    form_class: ClassVar[type[forms.Form]] = Rate
    effect: tuple[str, ...] = ()

    def words(self) -> Words:
        """Say the effect once it is known."""
        if self.effect:
            return Words("Price and re-rate?", self.effect, "Price and re-rate")
        return Words(
            "Price a model",
            ("All its calls are priced by it, old and new; rollups and budgets follow. First you see what that does.",),
            "Show the effect",
        )

    def check(self) -> None:
        """Administrators, and operators with the right to price."""
        may_rerate(self.user)

    def initial(self) -> dict[str, Any]:
        """Take the model that the address names, and the price it has."""
        # PostgreSQL has no NUL in its texts, and no model is named with one.
        model = self.request.GET.get("model", "")[:200].replace("\x00", "")
        row = ModelPrice.objects.filter(model=model).newest().first() if model else None
        if row is None:
            return {"model": model}
        return {"model": model, **{name: format_usd(getattr(row, f"{name}_nanousd")) for name in _BUCKETS}}

    def make_form(self, data: Any = None) -> forms.Form:
        """Return the form; the effect's page fills in what confirms it."""
        self.form = Rate(data, initial=self.initial())
        return self.form

    def perform(self, data: Mapping[str, Any]) -> Done | HttpResponse:
        """Show what it would change; with that confirmed, do it."""
        self.check()
        rates = _rates(data)
        mark = _mark(data["model"], rates)
        if data["confirmed"] != mark:
            return self._effect(data["model"], rates, mark)
        changed = price_model(model=data["model"], rates=rates, reason=data["reason"], by=self.user, now=self.now)
        return Done(f"{plural(changed.calls, 'call')} re-rated, {_signed(changed.delta_nanousd)}.", list_of(ModelPrice))

    def _effect(self, model: str, rates: Rates, mark: str) -> HttpResponse:
        effect = preview(model=model, rates=rates)
        before = money(effect.before_nanousd, unpriced=effect.unpriced)
        self.effect = (
            f"{plural(effect.calls, 'call')} of {model}, {effect.unpriced} of them unpriced by now.",
            f"Their sum goes from {before} to {money(effect.after_nanousd)}: {_signed(effect.delta_nanousd)}.",
            "Budgets of the present period count the difference at once.",
        )
        # A bound form shows what was posted: the mark goes into what it shows.
        posted = self.request.POST.copy()
        posted["confirmed"] = mark
        return self.answer(Rate(posted), None)


_BUCKETS: Final = ("input", "cache_read", "cache_write", "output")


def _rates(data: Mapping[str, Any]) -> Rates:
    found: list[int] = []
    for name in _BUCKETS:
        try:
            found.append(parse_usd(data[name].strip()))
        except ValueError as error:
            raise invalid(f"/{name}", "not_admitted", str(error)) from error
    uncached, cache_read, cache_write, output = found
    return Rates(uncached, cache_read, cache_write, output)


def _mark(model: str, rates: Rates) -> str:
    """Name what was shown, so that something else cannot be confirmed by it."""
    text = f"{model}\0{rates.input}\0{rates.cache_read}\0{rates.cache_write}\0{rates.output}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _signed(nanousd: int) -> str:
    return money(nanousd) if nanousd < 0 else f"+{money(nanousd)}"


def read_unpriced(user: User) -> tuple[Unpriced, ...]:
    """Read which models have calls without a price, the most used first."""
    rows = Usage.objects.visible_to(user).unpriced().order_by().values("model")
    rows = rows.annotate(number=Count("id"), last=Max("at")).order_by("-number", "model")[:MOST_MODELS]
    usage, prices = list_of(Usage), list_of(ModelPrice)
    return tuple(
        Unpriced(
            row["model"], row["number"], row["last"],
            f"{usage}?{urlencode({'cost_nanousd__isempty': 1, 'model__exact': row['model']})}",
            f"{prices}do/price/?{urlencode({'model': row['model']})}",
        )
        for row in rows
    )  # fmt: skip


class PricePages(ConsoleAdmin):
    """Prices of our own, and what has none."""

    plural = "Prices"
    related = ("by",)
    change_list_template = "console/costs/prices.html"
    list_dialogs = {"price": PriceModel}
    empty = Empty("No price of our own.", "Models of the shipped price list need none.")
    list_display = ("model", "input_price", "read_price", "write_price", "output_price", "by", "reason", "written")
    search_fields = ("model", "reason")
    search_help_text = "Search model"

    written = time_column("at", "when")

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Show what has no price above the prices of our own."""
        if not self.has_module_permission(request):
            return super().changelist_view(request, extra_context)
        context = {
            "unpriced": read_unpriced(viewer(request)),
            "may_price": _obstacle(viewer(request)) == "",
            "shipped": price_version(),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def list_buttons(self, request: HttpRequest) -> tuple[Button, ...]:
        """Offer to price a model."""
        obstacle = _obstacle(viewer(request))
        return (Button("Price a model…", f"{list_of(ModelPrice)}do/price/", "main", obstacle=obstacle),)

    @admin.display(description="input", ordering="input_nanousd")
    def input_price(self, row: ModelPrice) -> SafeString:
        """Write the price."""
        return draw_money(row.input_nanousd)

    @admin.display(description="cache read")
    def read_price(self, row: ModelPrice) -> SafeString:
        """Write the price."""
        return draw_money(row.cache_read_nanousd)

    @admin.display(description="cache write")
    def write_price(self, row: ModelPrice) -> SafeString:
        """Write the price."""
        return draw_money(row.cache_write_nanousd)

    @admin.display(description="output", ordering="output_nanousd")
    def output_price(self, row: ModelPrice) -> SafeString:
        """Write the price."""
        return draw_money(row.output_nanousd)

    def page(self, request: HttpRequest, row: ModelPrice) -> Sheet:
        """Show one version of a price."""
        newest = ModelPrice.objects.filter(model=row.model).newest().first()
        again = f"{list_of(ModelPrice)}do/price/?{urlencode({'model': row.model})}"
        return Sheet(
            f"Price of {row.model}",
            (
                Fact("In force", "yes" if newest == row else f"no: {newest.version if newest else 'none'} is"),
                Fact("Called in usage", row.version),
                *(
                    Fact(name, f"${format_usd(value)} per million tokens")
                    for name, value in (
                        ("Input", row.input_nanousd),
                        ("Read from cache", row.cache_read_nanousd),
                        ("Written to cache", row.cache_write_nanousd),
                        ("Output", row.output_nanousd),
                    )
                ),
                Fact("Written by", row.by.username if row.by else "the system"),
                Fact("Where it comes from", row.reason),
            ),
            (Button("Write a newer price…", again, obstacle=_obstacle(viewer(request))),),
        )


def _obstacle(user: User) -> str:
    try:
        may_rerate(user)
    except Refusal as refusal:
        return refusal.detail
    return ""
