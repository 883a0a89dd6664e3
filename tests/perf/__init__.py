"""Benchmarks: ``python -m tests.perf`` measures what the console costs and prints one table.

They never assert a time: a figure depends on the machine and on who else uses it. How the figures are made
and what they were is in ``docs/performance.md``.
"""
