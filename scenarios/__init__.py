"""Property-based scenarios for stores; see harness."""
