"""Benchmarks: figures to look at, never tests. ``python -m tests.benchmarks``."""
