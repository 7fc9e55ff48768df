"""A run says where it stands once a minute, however long one round takes."""

from harness.cli.stress import every


def test_a_line_a_minute_with_and_without_events():
    now, lines = 0.0, []
    tell = every(60.0, lambda: lines.append(now), lambda: now)
    for second in range(400):
        now = float(second)
        tell(None if second % 100 else object())
    assert lines == [60.0, 120.0, 180.0, 240.0, 300.0, 360.0]


def test_late_is_once_and_not_made_up_for():
    now, lines = 0.0, []
    tell = every(60.0, lambda: lines.append(now), lambda: now)
    for now in (59.9, 200.0, 201.0, 259.0, 260.0):  # noqa: B007 - what the clock reads
        tell(None)
    assert lines == [200.0, 260.0]
