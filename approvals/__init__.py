"""What people decide: queues, requests, revisions, votes, grants."""
