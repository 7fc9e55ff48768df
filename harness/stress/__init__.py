"""Stress runs: at random on large things, in parallel, for as long as one likes."""
