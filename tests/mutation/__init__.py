"""Mutation: what the harness finds when the reference itself is broken, one statement at a time."""
