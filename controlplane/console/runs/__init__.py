"""Pages of runs: where did time, money and trust go?"""
