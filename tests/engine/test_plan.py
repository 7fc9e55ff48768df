"""A plan that asks for nothing is refused: no verdict is not a pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.runner import Plan


def test_a_subject_that_claims_nothing_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "modest.py"
    store.write_text("def make(directory):\n    raise AssertionError\n\n\nmake.guarantees = ()\n")
    with pytest.raises(UsageError, match="claims no guarantee"):
        _ = Plan(subject=f"{store}:make").judged
    assert Plan(subject=f"{store}:make", guarantees=("listing",)).judged == ("listing",)
