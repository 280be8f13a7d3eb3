"""Benchmarks: each prints its figures beside references measured in the same run; none fails on a time."""
