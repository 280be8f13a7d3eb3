"""Webhooks, what was sent to them, and people's own notifications."""
