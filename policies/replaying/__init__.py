"""Recorded decisions judged again by another revision of the policies.

`recorded` reads them, `judging` judges one, `windows` counts limits in memory, `summing` adds up
what came out. The writes are in `policies.operations.replays`.
"""
