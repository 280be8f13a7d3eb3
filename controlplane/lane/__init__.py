"""The streaming lane: a process of its own for requests that wait, long polls and server push.

It holds no rules and renders nothing of its own: who may ask, and what they are told, is the Django application's,
which runs here in a few threads. What has to wait is parked without a thread until the database says that it changed.
"""
