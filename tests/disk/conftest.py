"""A machine whose records and questions a test can read."""

import pytest

from harness.disk import Hooks, Machine
from harness.trace import dump_line


class Log(Hooks):
    """Keep every record, as the line of JSON that a trace would hold."""

    def __init__(self):
        self.records = []

    def record(self, record):
        self.records.append(record)

    def shown(self):
        """Records as (op, path or src and dst, error)."""
        found = []
        for record in self.records:
            assert record.process is not None
            assert dump_line(record)
            names = [getattr(record, key) for key in ("src", "dst", "path") if hasattr(record, key)]
            op = type(record).__struct_config__.tag
            found.append((op, *names, record.error) if record.error else (op, *names))
        return found


@pytest.fixture
def process():
    return Machine().process()


@pytest.fixture
def log():
    return Log()
