"""What happened: runs, steps, failures and imports."""
