"""Webhooks, deliveries, people's channels, readers' cursors."""

import audit.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Expand only."""

    initial = True

    dependencies = [
        ("registry", "0006_personal_preferences"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Cursor",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(default=0)),
                ("moved_at", models.DateTimeField(blank=True, help_text="UTC", null=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Channel",
            fields=[
                ("id", models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                (
                    "scheme",
                    models.CharField(
                        help_text="of the address: mailtos, slack, workflows, jsons, ntfys", max_length=16
                    ),
                ),
                ("address", models.TextField(help_text="encrypted, bound to the row")),
                ("hint", models.CharField(help_text="last four characters of the address", max_length=4)),
                ("kinds", models.JSONField(default=list, help_text="of `controlplane.delivery.notices`; empty: all")),
                ("created_at", models.DateTimeField(help_text="UTC")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ("name", "id"),
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "key",
                    models.CharField(
                        help_text="place and event: the same one is written once", max_length=200, unique=True
                    ),
                ),
                (
                    "means",
                    models.CharField(
                        choices=[("webhook", "Webhook"), ("callback", "Callback"), ("notice", "Notification")],
                        default="webhook",
                        max_length=16,
                    ),
                ),
                (
                    "event_id",
                    models.UUIDField(help_text="the entry's id; what a receiver sees again when something comes twice"),
                ),
                ("kind", models.CharField(max_length=64)),
                ("team", models.CharField(blank=True, help_text="slug of the team at that time", max_length=64)),
                ("agent", models.CharField(blank=True, help_text="slug of the agent concerned", max_length=64)),
                ("host", models.CharField(blank=True, help_text="where it goes, for the log", max_length=255)),
                ("body", models.TextField(help_text="the exact text that is sent")),
                ("url", models.TextField(blank=True, help_text="of a one-off callback; encrypted, bound to the row")),
                ("secret", models.TextField(blank=True, help_text="that signs a one-off callback; likewise")),
                ("urgent", models.BooleanField(default=False, help_text="ignores quiet hours")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("retrying", "Failed, is tried again"),
                            ("delivered", "Delivered"),
                            ("dead", "Given up"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, help_text="failed ones on the schedule")),
                (
                    "soon",
                    models.PositiveSmallIntegerField(default=0, help_text="times that the receiver said: not yet"),
                ),
                ("due_at", models.DateTimeField(help_text="UTC")),
                ("claim", models.UUIDField(blank=True, help_text="who sends it now", null=True)),
                ("claimed_until", models.DateTimeField(blank=True, help_text="UTC; then somebody else may", null=True)),
                ("created_at", models.DateTimeField(help_text="UTC")),
                ("begun_at", models.DateTimeField(help_text="UTC; start of the present schedule")),
                ("closed_at", models.DateTimeField(blank=True, help_text="UTC", null=True)),
                (
                    "last_status",
                    models.PositiveSmallIntegerField(blank=True, help_text="HTTP status of the last answer", null=True),
                ),
                ("last_error", models.CharField(blank=True, help_text="why the last attempt failed", max_length=200)),
                (
                    "channel",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="delivery.channel",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(help_text="UTC; when it ended")),
                ("milliseconds", models.PositiveIntegerField(default=0)),
                (
                    "status",
                    models.PositiveSmallIntegerField(blank=True, help_text="HTTP status; empty: no answer", null=True),
                ),
                ("error", models.CharField(blank=True, max_length=200)),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tries", to="delivery.delivery"
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                ("id", models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("url", models.CharField(help_text="https, or http for a listed internal host", max_length=2048)),
                (
                    "kinds",
                    models.JSONField(default=list, help_text="kinds of events, approval.* for a family; empty: all"),
                ),
                ("agents", models.JSONField(default=list, help_text="slugs of agents; empty: all")),
                (
                    "teams",
                    models.JSONField(default=list, help_text="slugs of teams, for everybody's endpoints; empty: all"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("broken", "Broken: only probed"), ("disabled", "Disabled")],
                        default="active",
                        max_length=16,
                    ),
                ),
                ("state_reason", models.CharField(blank=True, max_length=200)),
                ("secret", models.TextField(help_text="encrypted, bound to the row")),
                ("secret_hint", models.CharField(help_text="last four characters", max_length=4)),
                (
                    "previous",
                    models.TextField(
                        blank=True, help_text="the secret before, encrypted; signs too until its time is over"
                    ),
                ),
                ("previous_until", models.DateTimeField(blank=True, help_text="UTC", null=True)),
                ("failures", models.PositiveIntegerField(default=0, help_text="in a row")),
                ("probe_at", models.DateTimeField(blank=True, help_text="UTC; while broken, the next try", null=True)),
                ("created_at", models.DateTimeField(help_text="UTC; events from then on")),
                ("revision", models.PositiveIntegerField(default=1, help_text="rises with each edit")),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        help_text="whose events; empty: everybody's",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.team",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook",
                "ordering": ("name", "id"),
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="endpoint",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="delivery.endpoint",
            ),
        ),
        migrations.AddConstraint(
            model_name="channel",
            constraint=models.UniqueConstraint(fields=("user", "name"), name="delivery_one_channel_per_name"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ("pending", "retrying"))),
                fields=["endpoint", "due_at"],
                name="delivery_due",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["team", "id"], name="delivery_team"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["endpoint", "id"], name="delivery_of_endpoint"),
        ),
    ]
