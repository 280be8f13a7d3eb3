"""What Prometheus is told: counts of what each process does, and readings of the database at the time of asking.

Labels are words of the product (effects, results, routes, tasks) and slugs of queues and budgets: no payloads, no
people.
Counting never fails whoever is counted.
"""
