"""What ``manage.py up`` is made of: it prepares the installation, starts its processes and keeps them alive."""
