"""The README cannot drift: its files are written out, its commands run, its output compared.

``HARNESS_UPDATE=1 pytest tests/test_readme.py`` writes what is printed now into it.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import config
from harness.guarantees import GUARANTEES
from harness.persistence import PROFILES
from scenarios.adapters import ADAPTERS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
UPDATE = os.environ.get("HARNESS_UPDATE") == "1"


def text() -> str:
    return README.read_text(encoding="utf-8")


def write_files(directory: Path) -> None:
    for name, body in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", text(), re.DOTALL):
        (directory / name).write_text(body, encoding="utf-8")


def run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONHASHSEED": "random"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def steady(output: str) -> str:
    """Take the wall time out: it is the one thing in an output that may differ."""
    lines = output.rstrip().splitlines()
    return "\n".join(re.sub(r"in \d+\.\d s", "in 0.0 s", line).rstrip() for line in lines)


def test_the_shown_finding_is_what_the_tool_prints(tmp_path: Path) -> None:
    write_files(tmp_path)
    block = re.search(
        r"<!-- output: (\d) -->\n```console\n\$ harness (.*?)\n(.*?)```", text(), re.DOTALL
    )
    assert block is not None
    code, arguments, shown = int(block[1]), block[2], block[3]
    done = run(["harness", *arguments.split()], tmp_path)
    assert done.returncode == code, done.stderr
    printed = steady(done.stdout)
    if UPDATE:
        whole = (
            block[0].replace(block[3], printed + "\n")
            if shown
            else block[0][:-3] + printed + "\n```"
        )
        README.write_text(text().replace(block[0], whole), encoding="utf-8")
    else:
        assert shown.rstrip() == printed


def test_the_mended_store_of_the_readme_holds(tmp_path: Path) -> None:
    write_files(tmp_path)
    notes = tmp_path / "notes.py"
    mended = notes.read_text().replace(
        "file.write(value)\n",
        "file.write(value)\n            file.flush()\n            os.fsync(file.fileno())\n",
    )
    notes.write_text(mended)
    done = run(
        ["harness", "check", "notes.py:Notes", "--quick", "--guarantee", "atomicity"], tmp_path
    )
    assert done.returncode == 0, done.stdout


def test_python_blocks_run(tmp_path: Path) -> None:
    blocks = re.findall(r"(?<!-->\n)```python\n(.*?)```", text(), re.DOTALL)
    assert blocks
    for block in blocks:
        done = run([sys.executable, "-c", block], tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_settings_of_the_readme_are_accepted(tmp_path: Path) -> None:
    block = re.search(r"<!-- config -->\n```toml\n(.*?)```", text(), re.DOTALL)
    assert block is not None
    (tmp_path / "pyproject.toml").write_text(block[1], encoding="utf-8")
    found = config.load(tmp_path)
    assert found.subjects == ("mypackage.store:open_store",)
    assert found.profiles == ("ext4", "xfs", "btrfs")
    assert found.fail_on == "data-loss"


@pytest.mark.parametrize(("synced", "code"), [("True", 0), ("False", 1)])
def test_the_fixture_of_the_readme_judges_settings(tmp_path: Path, synced: str, code: int) -> None:
    block = re.search(r"<!-- test: (\S+) -->\n```python\n(.*?)```", text(), re.DOTALL)
    assert block is not None
    (tmp_path / block[1]).write_text(block[2], encoding="utf-8")
    (tmp_path / "settings.py").write_text(SETTINGS.format(synced=synced), encoding="utf-8")
    done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], tmp_path)
    assert done.returncode == code, done.stdout


SETTINGS = """
import os

def load(path):
    with open(path) as file:
        return file.read()

def save(path, text):
    with open(path + ".tmp", "w") as file:
        file.write(text)
        file.flush()
        if {synced}:
            os.fsync(file.fileno())
    os.replace(path + ".tmp", path)
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
"""


def test_every_guarantee_and_profile_is_in_a_table() -> None:
    for name in (*GUARANTEES, *PROFILES):
        assert f"| `{name}` |" in text(), name


def stores_table() -> str:
    rows = []
    for name in ADAPTERS:
        try:
            module = importlib.import_module(f"scenarios.adapters.{name.rpartition('.')[2]}")
        except ImportError as error:
            pytest.skip(f"pip install '.[test]' first: {error}")
        cells = []
        for profile in ("kill", "ordered", "posix"):
            broken = [g for g, v in module.EXPECTED[profile].items() if v == "violated"]
            more = [g for g, v in module.UNCLAIMED.get(profile, {}).items() if v == "violated"]
            unclaimed = f" ({', '.join(more)})" if more else ""
            cells.append((", ".join(broken) if broken else "held") + unclaimed)
        rows.append(f"| {module.PACKAGE} (`{name}`) | {' | '.join(cells)} |")
    return "\n".join(["| store | kill | ordered | posix |", "|---|---|---|---|", *sorted(rows)])


def test_the_table_of_real_stores_is_what_the_adapters_expect() -> None:
    block = re.search(r"<!-- stores -->\n(.*?)\n<!-- /stores -->", text(), re.DOTALL)
    assert block is not None
    table = stores_table()
    if UPDATE:
        README.write_text(text().replace(block[1], table), encoding="utf-8")
    else:
        assert block[1] == table
