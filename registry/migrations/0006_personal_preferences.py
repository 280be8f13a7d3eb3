"""Zone, quiet hours and delegate of a person."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Expand only."""

    dependencies = [
        ("registry", "0005_session_epoch"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="zone",
            field=models.CharField(default="UTC", help_text="IANA time zone of the person's clock", max_length=64),
        ),
        migrations.AddField(
            model_name="user",
            name="quiet_from",
            field=models.TimeField(blank=True, help_text="by the person's clock; quiet from then", null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="quiet_until",
            field=models.TimeField(blank=True, help_text="by the person's clock; not quiet any more", null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="delegate",
            field=models.ForeignKey(
                blank=True, help_text="is told as well; it gives no right", null=True,
                on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="delegate_from",
            field=models.DateTimeField(blank=True, help_text="UTC", null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="delegate_until",
            field=models.DateTimeField(blank=True, help_text="UTC", null=True),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="registry_quiet_hours_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(delegate=None)
                | models.Q(delegate_from__isnull=False, delegate_until__gt=models.F("delegate_from"))
                & models.Q(delegate_until__isnull=False),
                name="registry_delegate_for_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(delegate=None) | ~models.Q(delegate=models.F("id")),
                name="registry_delegate_is_another",
            ),
        ),
    ]
