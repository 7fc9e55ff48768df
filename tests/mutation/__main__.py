"""``python -m tests.mutation``: mutate the reference, and tell which mutants live.

Prints a table and the score; exits 1 if a mutant lives that is not in ``survivors.py``.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.survivors import KINDS, SURVIVORS
from tests.mutation.trying import MODULES, path_of, tried


def say(text: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def all_mutants() -> list[Mutant]:
    """Every mutant of every module."""
    return [one for module in MODULES for one in mutants_of(module, path_of(module))]


def work(mutant: Mutant, *, shallow: bool) -> tuple[str, str | None, float]:
    """Try one mutant; give its name, what found it, and how long that took."""
    started = time.process_time()
    return mutant.name, tried(mutant, shallow=shallow), time.process_time() - started


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("-n", type=int, default=1, metavar="WORKERS", help="processes (default 1)")
    parser.add_argument("-k", default="", metavar="TEXT", help="only mutants whose name has this")
    parser.add_argument("--shallow", action="store_true", help="with little depth only")
    options = parser.parse_args()
    chosen = [one for one in all_mutants() if options.k in one.name]
    results: dict[str, str | None] = {}
    with ProcessPoolExecutor(options.n, get_context("fork"), max_tasks_per_child=None) as pool:
        for number, (name, found, seconds) in enumerate(
            pool.map(partial(work, shallow=options.shallow), chosen), 1
        ):
            results[name] = found
            verdict = found or (f"LIVES ({SURVIVORS[name][0]})" if name in SURVIVORS else "LIVES")
            say(f"{number:4} of {len(chosen)}  {seconds:5.1f} s  {name}: {verdict}")
    return summary(results)


def summary(results: dict[str, str | None]) -> int:
    """Print the score; give the exit code."""
    alive = [name for name, found in results.items() if found is None]
    argued = {kind: [n for n in alive if SURVIVORS.get(n, ("", ""))[0] == kind] for kind in KINDS}
    unexplained = [name for name in alive if name not in SURVIVORS]
    killed = len(results) - len(alive)
    counted = killed + len(argued["missing"]) + len(unexplained)
    say()
    say(f"mutants        {len(results):5}")
    say(f"found          {killed:5}")
    for kind, names in argued.items():
        say(f"{kind:<15}{len(names):5}")
    say(f"unexplained    {len(unexplained):5}")
    share = 100 * killed / max(counted, 1)
    say(f"score          {share:5.1f} % of those about faults and not equivalent")
    wrong = [name for name in SURVIVORS if results.get(name) is not None]
    for name in wrong:
        say(f"in survivors.py, but found: {name}")
    for name in unexplained:
        say(f"lives: {name}")
    return 1 if unexplained or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
