"""A replay counts how often a slice was begun in vain: one that takes its worker with it must come to an end."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0005_triggers'),
    ]

    operations = [
        migrations.AddField(
            model_name='replay',
            name='tries',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='slices begun since one was last kept'),
        ),
        migrations.AddField(
            model_name='replay',
            name='tried_at',
            field=models.DateTimeField(blank=True, help_text='UTC; when a slice was last begun', null=True),
        ),
    ]
