"""A pasted test, run once on the store as it is: does it tell what it was written to tell?"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["can_try", "outcome"]

_SECONDS_MAX: Final = 300


def can_try() -> bool:
    """Tell whether pytest is there to run one."""
    return find_spec("pytest") is not None


def outcome(text: str) -> str:
    """Run a test from the current directory, as one would who has pasted it.

    Args:
        text: The test.

    Returns:
        ``fails`` if an assertion of the test does not hold; ``passes``; or what else became of it,
        in words.
    """
    with tempfile.TemporaryDirectory() as place:
        test, told = Path(place, "test_pasted.py"), Path(place, "told.xml")
        test.write_text(text, encoding="utf-8")
        Path(place, "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        options = ["-q", "-p", "no:cacheprovider", "-p", "pyfakefs.pytest_plugin"]
        options += ["-c", f"{place}/pytest.ini", "--rootdir", place, f"--junitxml={told}"]
        environment = os.environ | {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            subprocess.run(  # noqa: S603 - what it runs is what the user asked to have written
                [sys.executable, "-m", "pytest", *options, str(test)],
                env=environment,
                capture_output=True,
                timeout=_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"has not ended after {_SECONDS_MAX} s"
        try:
            suite = ET.parse(told).getroot()  # noqa: S314 - see above
        except (OSError, ET.ParseError):
            return "cannot be collected"
    wrong = [*suite.iter("failure"), *suite.iter("error")]
    if not wrong:
        return "passes"
    message = (wrong[0].get("message") or "").splitlines() or [""]
    return (
        "fails" if message[0].startswith(("AssertionError", "assert ")) else f"ends in {message[0]}"
    )
