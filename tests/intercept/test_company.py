"""Hypothesis, asyncio and pytest itself go on working while Python is rerouted."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
import textwrap

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.disk import Machine
from harness.intercept import active, rerouted


@settings(max_examples=25, deadline=None, database=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=9000)))
def test_what_is_written_is_read(content):
    with rerouted():
        machine = Machine()
        with active(machine.process()):
            for name, data in content.items():
                with open(name, "wb") as file:
                    file.write(data)
            for name, data in content.items():
                with open(name, "rb") as file:
                    assert file.read() == data
        assert machine.image().files() == content


def test_an_event_loop_keeps_real_time():
    async def main():
        await asyncio.sleep(0.01)
        await asyncio.to_thread(lambda: open("from-a-thread", "w").close())
        return os.listdir()

    with rerouted(), active(Machine().process()):
        assert asyncio.run(main()) == ["from-a-thread"]


def test_logging_and_standard_streams_stay_real(capfd):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("harness.test")
    logger.addHandler(handler)
    with rerouted(), active(Machine().process()):
        print("printed")  # noqa: T201 - it is what is tested
        logger.warning("logged")
        os.write(2, b"written\n")
    logger.removeHandler(handler)
    captured = capfd.readouterr()
    assert captured.out == "printed\n"
    assert "written\n" in captured.err
    assert stream.getvalue() == "logged\n"


def test_pytest_and_hypothesis_s_database_work_with_the_rerouting_in_place(tmp_path):
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent("""
            import pytest
            from harness.intercept import rerouted

            @pytest.fixture(scope="session", autouse=True)
            def installed():
                with rerouted():
                    yield
        """)
    )
    (tmp_path / "test_inner.py").write_text(
        textwrap.dedent("""
            from hypothesis import given, settings, strategies as st
            from hypothesis.database import DirectoryBasedExampleDatabase
            from harness.disk import Machine
            from harness.intercept import active

            # In CI Hypothesis uses no database unless told to.
            DATABASE = DirectoryBasedExampleDatabase(".hypothesis/examples")

            @settings(database=DATABASE, derandomize=False)
            @given(st.integers())
            def test_fails(number):
                with active(Machine().process()):
                    with open("file", "w") as file:
                        file.write(str(number))
                assert number < 100

            def test_shows_the_assertion(tmp_path, capsys):
                left = {"a": 1}
                with active(Machine().process()):
                    print("captured")
                    assert left == {"a": 2}
        """)
    )
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*run, "-p", "no:checkpoint-harness", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed" in done.stdout, done.stdout + done.stderr
    assert "number=100" in done.stdout
    assert "assert {'a': 1} == {'a': 2}" in done.stdout, "assertions are rewritten"
    assert list((tmp_path / ".hypothesis" / "examples").iterdir()), "the example is kept"
