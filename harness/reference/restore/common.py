"""What the managers' restore functions share."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from harness.reference.dual import DualCheckpoint
from harness.reference.errors import CheckpointNotFoundError, RestoreError
from harness.reference.gojson import quote
from harness.reference.manager import CheckpointManager

__all__ = ["fatal", "load_dual", "merge"]


def merge(source: Mapping[str, Any], target: dict[str, Any], *names: str) -> None:
    """Copy the fields a migration copies: those that are not empty."""
    for name in names:
        if source[name]:
            target[name] = source[name]


def fatal(error: Exception, what: str, manager: CheckpointManager, key: str) -> RestoreError:
    """Word the error a kubelet exits with."""
    path = f"{manager.store.directory.rstrip('/')}/{key}"
    return RestoreError(
        f"could not restore state from checkpoint: {error}, please drain this node and delete the "
        f"{what} manager checkpoint file {quote(path)} before restarting Kubelet"
    )


def load_dual(manager: CheckpointManager, key: str, target: DualCheckpoint, name: str) -> bool:
    """Read the dual format; False means the file is of an older one.

    Raises:
        RestoreError: It is of this format, and damaged.
        CheckpointNotFoundError: There is none.
    """
    try:
        manager.get_checkpoint(key, target)
    except CheckpointNotFoundError:
        raise
    except Exception as error:
        seen = target
        if manager.mode == "hardened":
            # The caller's object is untouched there, so look at what is in the file once more.
            seen = target.fresh()
            with contextlib.suppress(Exception):
                seen.unmarshal(manager.store.read(key))
        if seen.value["Data"] or seen.stored:
            raise RestoreError(f"could not load {name} checkpoint: {error}") from error
        return False
    return True
