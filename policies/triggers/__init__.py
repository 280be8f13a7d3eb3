"""Threshold triggers: their documents and sentences, and when a history would have fired them (all pure).

The trail is counted by `policies.operations.counting`; `policies.operations.watching` fires.
"""
