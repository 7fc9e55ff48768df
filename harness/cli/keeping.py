"""What a check keeps from one run to the next: the corpus and the baseline."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.baseline import Baseline
    from harness.config import Config
    from harness.guarantees import Severity
    from harness.report import Report
    from harness.runner import Outcome

__all__ = ["Keeping"]


@dataclass
class Keeping:
    """Where findings are kept, and which are accepted.

    Attributes:
        corpus: Directory for reproductions.
        path: File of the baseline.
        baseline: What it lists; None where there is none.
        update: Whether to write what is found into it.
    """

    corpus: Path | None
    path: Path | None
    baseline: Baseline | None
    update: bool

    @classmethod
    def of(
        cls, defaults: Config, *, corpus: Path | None, baseline: Path | None, update: bool
    ) -> Keeping:
        """Read the baseline, and find out what is wrong with it before anything runs."""
        from harness.baseline import load  # noqa: PLC0415 - slow to import

        path = baseline or defaults.baseline
        if path is None and update:
            raise UsageError("--update-baseline has no file to write; name it with --baseline FILE")
        known = None if path is None else load(path, missing_ok=update)
        return cls(corpus or defaults.corpus, path, known, update)

    def exit_code(self, outcome: Outcome, fail_on: Severity | None) -> int:
        """Give a run's exit code: accepted findings do not count, fixed ones still listed do."""
        if self.baseline is None:
            return outcome.exit_code(fail_on)
        import msgspec  # noqa: PLC0415 - slow to import

        from harness.baseline import weigh  # noqa: PLC0415
        from harness.runner import Outcome  # noqa: PLC0415

        standing = weigh(self.baseline, outcome.report)
        new = [] if self.update else standing.new
        rest = Outcome(msgspec.structs.replace(outcome.report, findings=new), outcome.repros)
        code = rest.exit_code(fail_on)
        return 1 if standing.fixed and not self.update else code

    def tell(self, outcome: Outcome, out: Callable[[str], None]) -> None:
        """Keep a run's findings in the corpus, and say how they compare with the baseline."""
        if self.corpus is not None:
            from harness.corpus import keep  # noqa: PLC0415 - slow to import

            for path in keep(self.corpus, outcome.repros):
                out(f"corpus: kept {os.path.relpath(path)}")
        if self.baseline is None or self.path is None:
            return
        from harness.baseline import weigh  # noqa: PLC0415

        standing = weigh(self.baseline, outcome.report)
        shown = os.path.relpath(self.path)
        if self.update:
            out(f"baseline {shown}: {len(outcome.report.findings)} accepted from now on")
            return
        out(
            f"baseline {shown}: {len(standing.accepted)} accepted, {len(standing.new)} new, "
            f"{len(standing.fixed)} fixed"
        )
        for finding in standing.accepted:
            out(f"  accepted  {finding.id}")
        for finding in standing.new:
            out(f"  new       {finding.id}")
        for known in standing.fixed:
            out(f"  fixed     {known.id}: take it out with --update-baseline")

    def save(self, reports: list[Report]) -> None:
        """Write the baseline anew, where that was asked for."""
        if self.update and self.path is not None and self.baseline is not None:
            from harness.baseline import save  # noqa: PLC0415 - slow to import

            save(self.path, self.baseline, reports)
