"""checkpoint-harness: fault injection for store implementations, on a simulated disk."""

__version__ = "0.1.0"
