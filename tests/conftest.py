"""In which order tests run, and by which worker of pytest-xdist."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FULL = os.environ.get("HARNESS_FULL") == "1"

QUICK = ("disk", "explore", "linear", "persistence", "reference")
"""Folders whose tests are many, and short."""


def pytest_collection_modifyitems(items):
    """Put last what takes milliseconds, so that all workers end together."""
    items.sort(key=lambda item: item.path.relative_to(HERE).parts[0] in QUICK)


@pytest.fixture(scope="module")
def rerouted_throughout():
    """Install the rerouting once for a file whose tests would each do it and are not about it.

    It looks through all that is imported: a quarter of a second where all tests are.
    """
    from harness.intercept import rerouted  # noqa: PLC0415 - what needs no engine loads none

    with rerouted():
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a file to one worker, in order: its tests share what they check.

    With everything there are files that take hours, and sharing them out is worth more.
    """
    if FULL or config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - it need not be there

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)
