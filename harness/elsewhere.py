"""A change that mends one run must not break another.

A finding's smallest case often writes a key for the first time. To let one step act after another,
or not at all, can mend that and lose what is overwritten or deleted. Syncs that are only put in
forbid crash states and allow no new one, so they need no second look.
"""

from __future__ import annotations

from harness.edits import Change, edited
from harness.errors import BaselineError, HarnessError
from harness.history import Recording, record
from harness.ops import Workload, delete, write
from harness.recovery import Prober, follow_values
from harness.trace import is_call
from harness.trials import CrashTrial

__all__ = ["Elsewhere"]


class Elsewhere:
    """Another run of the store: a key is overwritten, deleted, and written again.

    Args:
        trial: Of the run that shows the finding.
    """

    def __init__(self, trial: CrashTrial) -> None:
        self._trial = trial
        self._other: CrashTrial | None = None
        self._known = False

    def broken_by(self, change: Change) -> bool:
        """Tell whether a change breaks what holds in the other run without it."""
        if not _reorders(change, self._trial.recording):
            return False
        trial = self._there()
        if trial is None or change(trial.recording) is None:
            return False
        try:
            run = edited(trial.recording, change)
            if run is None:
                return True
            before, after = trial.judged(trial.recording), trial.judged(run)
        except HarnessError:
            return True
        return after.broken > before.broken or not after.others <= before.others

    def _there(self) -> CrashTrial | None:
        if not self._known:
            self._known = True
            self._other = _other(self._trial)
        return self._other


def _reorders(change: Change, recording: Recording) -> bool:
    """Tell whether a change does more than put calls in."""
    made = change(recording)
    calls = [id(one) for one in recording.records if is_call(one)]
    kept = {id(one) for one, _ in made or ()} & set(calls)
    return made is not None and [id(one) for one, _ in made if id(one) in kept] != calls


def _other(trial: CrashTrial) -> CrashTrial | None:
    recording = trial.recording
    subject, workload = recording.subject, recording.workload
    if not workload.keys:
        return None
    key = workload.keys[0]
    short, long = follow_values(subject, workload)
    operations = write(key, long), delete(key), write(key, short)
    try:
        run = record(
            subject,
            Workload("overwrite, delete, write", operations, (write(key, short),)),
            seed=recording.seed,
        )
    except BaselineError:
        return None  # a store that takes no such operations
    prober = Prober(subject, run.workload.keys, seed=recording.seed, writes=(short, long))
    return CrashTrial(
        run, trial.models, prober, trial.guarantee, trial.budget, trial.meter, site=trial.site
    )
