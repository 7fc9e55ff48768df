"""``python -m harness``: the command, where its script is not on the path."""

import sys

from harness.cli import main

# Guarded, because a worker process that is spawned imports this module again.
if __name__ == "__main__":
    sys.exit(main())
