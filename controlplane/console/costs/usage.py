"""Model calls: tokens and price."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console import formats
from controlplane.console.admins import ConsoleAdmin, Empty, Fact, Sheet, page_of
from controlplane.console.lists import ByAgent, ByEnvironment, Since, agent_column, time_column
from controlplane.console.tags import draw_money, write_exactly
from costs.models import Usage
from costs.pivots import BY


class SinceCalled(Since):
    """When the call was made."""


class UsagePages(ConsoleAdmin):
    """Model calls: tokens and price."""

    plural = "Model calls"
    related = ("agent",)
    empty = Empty("No usage yet.", "Model calls appear when agents report runs and steps.")
    list_display = ("model", "provider", "of_agent", "task", "tokens", "cost", "made")
    list_filter = (ByAgent, SinceCalled, ByEnvironment, ("cost_nanousd", admin.EmptyFieldListFilter), "shadow")
    # Of the charts, the pivot and the prices.
    link_lookups = frozenset({"at__gte", "at__lt", "version__isnull"} | {lookup for _, lookup in BY.values()})
    search_fields = ("model", "provider", "task", "agent__slug")

    of_agent = agent_column()
    made = time_column("at", "when")

    @admin.display(description="tokens in · cached · out")
    def tokens(self, row: Usage) -> str:
        """Write the buckets."""
        cached = row.cache_read + row.cache_write
        return f"{formats.count(row.input_uncached)} · {formats.count(cached)} · {formats.count(row.output)}"

    @admin.display(description="cost", ordering="cost_nanousd")
    def cost(self, row: Usage) -> SafeString:
        """Write the cost; without a known price it says so."""
        return draw_money(row.cost_nanousd)

    def page(self, request: HttpRequest, row: Usage) -> Sheet:
        """Show the call."""
        return Sheet(
            f"Call of {row.model}",
            (
                Fact("Cost", draw_money(row.cost_nanousd)),
                Fact("Priced by", row.price_version or "no price list"),
                Fact("Provider", row.provider or "unknown"),
                Fact("Agent", format_html('<a href="{}">{}</a>', page_of(row.agent), row.agent.slug)),
                Fact("Input, not cached", row.input_uncached),
                Fact("Read from cache", row.cache_read),
                Fact("Written to cache", row.cache_write),
                Fact("Output, reasoning included", row.output),
                Fact("Of it reasoning", row.reasoning),
                Fact("Made", write_exactly(row.at)),
                Fact("Received", write_exactly(row.received_at)),
                Fact("Task (the agent's word)", row.task or "none"),
            ),
        )
