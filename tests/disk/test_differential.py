"""Random programs must do on the simulated machine what they do on a real tmpfs, call for call."""

import os
import tempfile

import pytest

from .programs import difference, make_program, shrink

PROGRAMS = int(os.environ.get("HARNESS_DIFFERENTIAL_PROGRAMS", "3000"))
FIRST = int(os.environ.get("HARNESS_DIFFERENTIAL_FIRST", "0"))
CHUNKS = 6


@pytest.fixture
def tmpfs():
    """A directory on a real tmpfs, with the umask that simulated processes start with."""
    assert os.path.ismount("/dev/shm"), "/dev/shm is not there: these tests need a tmpfs"
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        old = os.umask(0o022)
        try:
            yield directory
        finally:
            os.umask(old)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_programs_do_the_same_as_on_tmpfs(tmpfs, chunk):
    differing = []
    for seed in range(FIRST + chunk, FIRST + PROGRAMS, CHUNKS):
        program = make_program(seed)
        if difference(program, f"{tmpfs}/{seed}") is not None:
            differing.append(seed)
    if differing:
        shown = "\n\n".join(
            f"seed {seed}:\n{shrink(make_program(seed), f'{tmpfs}/s')}" for seed in differing[:3]
        )
        pytest.fail(f"{len(differing)} programs differ, {differing[:20]}:\n{shown}", pytrace=False)
