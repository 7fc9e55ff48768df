"""Mutants that live, each with the argument why that is right."""

SURVIVORS: dict[str, tuple[str, str]] = {}
