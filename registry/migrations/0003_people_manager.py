"""People get a manager of our own; the table stays as it is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_console_preferences")]

    operations = [migrations.AlterModelManagers(name="user", managers=[])]
