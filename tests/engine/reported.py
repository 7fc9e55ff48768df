"""Check a subject and print all that may not depend on the machine, as one JSON document.

Run as a process by the determinism tests: ``python reported.py SUBJECT WORKERS PROFILE...``.
"""

import json
import sys

import msgspec

from harness.runner import Plan, check

if __name__ == "__main__":
    subject, workers, *profiles = sys.argv[1:]
    outcome = check(
        Plan(
            subject=subject,
            profiles=tuple(profiles),
            guarantees=("atomicity", "durability", "recovery", "listing"),
            effort="quick",
            seed=3,
            workers=int(workers),
        )
    )
    report = msgspec.to_builtins(outcome.report)
    for clock in ("seconds", "states_per_second"):
        del report["stats"][clock]
    document = [report, {name: data.decode() for name, data in outcome.repros.items()}]
    sys.stdout.write(json.dumps(document))
