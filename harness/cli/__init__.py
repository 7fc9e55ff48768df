"""The command line: thin shells over the engine, one command a room.

Nothing of the engine is imported until a command runs, so that ``harness --help`` answers at once.
"""

from harness.cli.shell import main

__all__ = ["main"]
