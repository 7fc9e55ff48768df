"""Half of a write is some of its nodes, or a page of it cut inside: neither all nor nothing."""

import pytest

from harness.explore import CrashState, Torn
from harness.halves import in_part


def state(taken: int, offset: int = 0, torn: int | None = None) -> CrashState:
    tear = None if torn is None else Torn(torn, 512)
    return CrashState(0, 0, (), 0, offset, 6, taken, tear)


@pytest.mark.parametrize(
    ("taken", "offset", "torn", "half"),
    [
        (0b000000, 0, None, False),
        (0b000011, 0, None, False),  # of other calls only
        (0b000100, 0, None, True),
        (0b001011, 0, None, True),
        (0b001111, 0, None, False),
        (0b001100, 0, None, False),
        (0b000000, 0, 2, True),  # nothing but half a page
        (0b000000, 0, 4, False),  # of another call
        (0b000000, 3, None, True),  # what is below the offset is on disk
        (0b000001, 3, None, False),
        (0b000000, 4, None, False),
    ],
)
def test_half_of_a_write(taken: int, offset: int, torn: int | None, half: bool) -> None:  # noqa: FBT001
    assert in_part(state(taken, offset, torn), 0b001100) is half
