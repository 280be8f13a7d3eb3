from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registry", "0004_agents_in_exception"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="session_epoch",
            field=models.PositiveIntegerField(default=0, help_text="one more ends every session of the person"),
        ),
    ]
