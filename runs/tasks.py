"""Scheduled work of runs: none so far.

What time decides here (a mute that is over, a run of which nothing is heard) is compared at use.
"""
