"""Keys of crash states are equal exactly where images are, though no image is built for them."""

from functools import cache

import pytest

from harness.explore import Explorer
from harness.history import record
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import PROFILES, constrain, derive
from harness.subjects import load
from harness.workloads import standing

WORKLOADS = {
    **{workload.name: workload for workload in standing()},
    # Pages that are equal but for their place: what a weak sum over pages mistakes for each other.
    "alike": Workload("alike", (write("a", b"x" * 30_000), write("a", b"y" * 30_000))),
}


@cache
def recorded(subject, workload):
    """What a workload does, which is the same under every profile."""
    with rerouted():
        return record(load(subject), WORKLOADS[workload])


@pytest.mark.parametrize("profile", ["kill", "ordered", "ext4", "xfs", "btrfs", "posix"])
@pytest.mark.parametrize("workload", ["alike", "grow", "shrink", "delete-and-write"])
@pytest.mark.parametrize(
    "subject",
    [
        "harness.reference.subjects:hardened",
        "scenarios.zoo.truncate_in_place:broken",
        "scenarios.zoo.append_after_torn_tail:broken",
    ],
)
def test_keys_are_equal_exactly_where_images_are(subject, workload, profile):
    recording = recorded(subject, workload)
    explorer = Explorer(
        constrain(derive(recording.records, recording.base), PROFILES[profile]), budget=300
    )
    by_key, by_image = {}, {}
    for state in explorer.states():
        image = explorer.image(state)
        view = explorer.view(state)
        # With the order of the files: two names of one file are told from two equal files.
        content = [(path, view.links(ino), image.contents.get(ino)) for path, ino in image.walk()]
        assert by_key.setdefault(state.key, content) == content
        assert by_image.setdefault(tuple(content), state.key) == state.key
        for _, ino in image.walk():
            if ino in image.contents:
                assert view.size(ino) == len(image.contents[ino])
    assert len(by_key) == len(by_image) > 1
