"""What the server that forks the crews loads once."""

import django

django.setup()
