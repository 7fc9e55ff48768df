"""The repository's own tidiness: what a release needs, and what must never be committed."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import harness
from harness.cli.shell import cli

ROOT = Path(__file__).parents[1]

GENERATED = re.compile(
    r"(^|/)(__pycache__|\.[a-z]+_cache|\.hypothesis|\.venv|venv|build|dist|[^/]+\.egg-info"
    r"|node_modules|\.coverage[^/]*|\.DS_Store)(/|$)|\.(pyc|pyo|orig|rej|swp|log)$|~$"
)
SECRET = re.compile(
    "-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bxox[baprs]-[A-Za-z0-9-]{10,}"
    r"|\b(?:api[_-]?key|passwd|password|secret|token)\s*[:=]\s*['\"][A-Za-z0-9+/_-]{16,}['\"]",
    re.IGNORECASE,
)
SIZE_MAX = 1_000_000


def tracked():
    """Paths that git has, from the root; from an unpacked archive there are none."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is committed cannot be told")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def modules():
    for folder in ("harness", "scenarios"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_nothing_generated_is_tracked():
    assert [name for name in tracked() if GENERATED.search(name)] == []


@pytest.mark.parametrize(
    "name", ["harness/__pycache__/x.pyc", ".mypy_cache/a", "tests/.ruff_cache/b", ".ci/venv/bin/x"]
)
def test_what_is_generated_is_known_as_such(name):
    assert GENERATED.search(name)


def test_nothing_tracked_is_huge():
    assert [name for name in tracked() if (ROOT / name).stat().st_size > SIZE_MAX] == []


def test_no_empty_file_is_tracked_but_markers():
    empty = [Path(name).name for name in tracked() if (ROOT / name).stat().st_size == 0]
    assert set(empty) <= {"__init__.py", "py.typed"}


def test_no_secret_is_tracked():
    found = []
    for name in tracked():
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        found += [(name, match.group()[:20]) for match in SECRET.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        'api_key = "' + "0123456789abcdef" + '"',
    ],
)
def test_what_is_secret_is_known_as_such(text):
    assert SECRET.search(text)


def test_the_version_is_the_same_everywhere_and_in_the_changelog():
    assert project()["project"]["version"] == harness.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert harness.__version__ in headings


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "harness" / "py.typed").is_file()


def test_every_module_has_a_docstring():
    bare = []
    for path in modules():
        source = path.read_text("utf-8")
        if source.strip() and not ast.get_docstring(ast.parse(source)):
            bare.append(str(path.relative_to(ROOT)))
    assert bare == []


def test_every_public_name_of_the_engine_exists():
    """``__all__`` promises nothing that is not there, read without importing anything."""
    wrong = []
    for path in modules():
        tree = ast.parse(path.read_text("utf-8"))
        promised = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
        ]
        there = {alias for node in tree.body for alias in bound(node)}
        wrong += [(path.name, name) for names in promised for name in names if name not in there]
    assert wrong == []


def bound(node):
    """Names that a statement at the top of a module binds."""
    match node:
        case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0]
        case ast.Assign():
            for target in node.targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        case ast.AnnAssign():
            if isinstance(node.target, ast.Name):
                yield node.target.id
        case ast.If() | ast.Try():
            for inner in (*node.body, *node.orelse):
                yield from bound(inner)
        case _:
            return


def test_importing_the_package_is_light():
    """Told by what is imported, not by a clock; the clock is in the benchmark."""
    heavy = {
        "click",
        "hypothesis",
        "msgspec",
        "pyfakefs",
        "pytest",
        "rich",
        "asyncio",
        "harness.disk",
    }
    assert heavy & imported_by("import harness") == set()


def test_the_command_s_help_is_light():
    heavy = {
        "hypothesis",
        "msgspec",
        "pyfakefs",
        "pytest",
        "rich",
        "harness.disk",
        "harness.runner",
    }
    code = "from harness.cli import main\nmain(['--help'])"
    assert heavy & imported_by(code) == set()


def test_what_is_heavy_is_known_as_such():
    assert "msgspec" in imported_by("import harness.report")


def imported_by(code):
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return set(run.stderr.split())


def commands(text):
    """Commands shown in a Markdown file's blocks: those after a prompt, and bare harness ones."""
    for block in re.findall(
        r"^```(?:console|sh|bash|shell)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    ):
        for line in block.splitlines():
            shown = re.match(r"(?:\$ )?((?:harness|python|\.ci/run)\b.*)", line)
            if shown:
                yield shlex.split(shown.group(1), comments=True)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "tests/README.md"])
def test_the_commands_that_the_documents_show_exist(name):
    for words in commands((ROOT / name).read_text("utf-8")):
        if words[0] == "harness":
            subcommands = [word for word in words[1:] if not word.startswith("-")]
            command = cli.commands[subcommands[0]] if subcommands else cli
            options = {option for one in (cli, command) for p in one.params for option in p.opts}
            asked = {word.split("=")[0] for word in words[1:] if word.startswith("-")}
            assert asked <= options | {"-h", "--help"}, words
        elif words[0].startswith(".ci/"):
            assert os.access(ROOT / words[0], os.X_OK)
        for word in words:
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), words


def test_a_command_that_is_not_there_would_be_noticed():
    shown = list(
        commands("```console\n$ harness chekc --quick  # typo\nharness list faults\n```\n")
    )
    assert shown == [["harness", "chekc", "--quick"], ["harness", "list", "faults"]]


def test_every_folder_of_tests_is_described():
    text = (ROOT / "tests" / "README.md").read_text("utf-8")
    described = set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE))
    there = {
        path.name
        for path in (ROOT / "tests").iterdir()
        if path.is_dir() and any(path.rglob("test_*.py"))
    }
    assert there - described == set()


def test_the_ci_script_is_executable_and_asks_nothing():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert "python -m pytest -n auto" in script.read_text("utf-8")


def test_the_workflow_runs_every_python_that_the_project_declares():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    declared = {
        line.rsplit(" ", 1)[1]
        for line in project()["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    }
    assert set(re.findall(r'"(3\.\d+)"', workflow)) == declared
