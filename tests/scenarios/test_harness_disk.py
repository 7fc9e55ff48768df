"""The fixture ``harness_disk``: any code that saves something, in a plain test of its own."""

import textwrap

import pytest

pytest_plugins = ["pytester"]

SETTINGS = """
    import os
    from pathlib import Path

    PATH = Path("settings.json")

    def load(path=PATH):
        with open(path) as file:
            return file.read()

    def save_in_place(text, path=PATH):
        with open(path, "w") as file:
            file.write(text)

    def save_by_rename(text, path=PATH):
        temporary = str(path) + ".tmp"
        with open(temporary, "w") as file:
            file.write(text)
        os.replace(temporary, path)

    def save_safely(text, path=PATH):
        temporary = str(path) + ".tmp"
        with open(temporary, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
"""


@pytest.fixture
def run(pytester):
    """Write settings.py and a test, run pytest on it, give the result."""

    def go(source, *options):
        pytester.makepyfile(settings=SETTINGS)
        test = pytester.makepyfile(test_it="from settings import *\n" + textwrap.dedent(source))
        return pytester.runpytest_subprocess(
            test, "-p", "no:cacheprovider", "-W", "error", *options
        )

    return go


CONTRACT = """
    path, old, new = PATH, "old", "new"
    save = {save}

    def test_save_settings_is_crash_safe(harness_disk):
        harness_disk.setup(lambda: save(old, path))
        for crash in harness_disk.crashes(lambda: save(new, path), profile="ext4"):
            assert load(path) in (old, new)
"""


def test_the_documented_test_fails_on_the_bug_and_names_crash_line_and_replay(run):
    result = run(CONTRACT.format(save="save_by_rename"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*assert load(path) in (old, new)*",
            "*AssertionError: assert '\\x00\\x00\\x00' in ('old', 'new')*",
            "*harness_disk: crash under ext4, after 4 of 4 calls; the function had returned*",
            '*lost*settings.py:17 file.write(text): write("settings.json.tmp"*',
            "*disk *settings.json: 3 bytes: '\\x00\\x00\\x00'*",
            "*again*pytest 'test_it.py::test_save_settings_is_crash_safe' --harness-crash ext4-*",
        ]
    )


def test_the_documented_test_passes_on_the_fix(run):
    run(CONTRACT.format(save="save_safely")).assert_outcomes(passed=1)


def test_a_named_crash_is_the_only_one_shown_and_a_stale_name_fails(run):
    source = CONTRACT.format(save="save_by_rename")
    first = run(source)
    # Once with the failure, and where pytest does not cut its summary (CI) in that, too.
    said = [one for one in first.outlines if "--harness-crash" in one and "again" in one]
    (token,) = {one.split()[-1] for one in said}
    counted = source + "        print('shown', harness_disk.states)\n"
    again = run(
        counted.replace("assert load", "print('round'); assert load"),
        "-s",
        "--harness-crash",
        token,
    )
    again.assert_outcomes(failed=1)
    assert sum("round" in one and "print" not in one for one in again.outlines) == 1
    assert any(token in one for one in again.outlines)
    stale = run(CONTRACT.format(save="save_safely"), "--harness-crash", token)
    stale.assert_outcomes(failed=1)
    stale.stdout.fnmatch_lines(["*no crash of this test is named*the code makes other calls now*"])


@pytest.mark.parametrize(
    "path",
    [
        "'settings.json'",
        "PATH",
        "tmp_path / 'settings.json'",
        "str(tmp_path) + '/deep/../settings.json'",
        "harness_disk.path / 'settings.json'",
        "os.path.join(os.fsencode(tmp_path), b'settings.json').decode()",
    ],
)
def test_every_kind_of_path_works(run, path):
    result = run(
        f"""
        def test_it(harness_disk, tmp_path):
            path = {path}
            (tmp_path / "deep").mkdir()
            harness_disk.setup(lambda: save_safely("old", path))
            seen = set()
            for crash in harness_disk.crashes(lambda: save_safely("new", path)):
                seen.add(load(path))
                assert Path(path).exists() and "settings.json" in os.listdir(tmp_path)
            assert seen == {{"old", "new"}}
            assert os.listdir(tmp_path) == ["deep"]
            assert harness_disk.exhaustive
        """
    )
    result.assert_outcomes(passed=1)


def test_constants_of_a_module_can_be_mounted_and_symlinks_switched(run):
    result = run(
        """
        HOME = Path("/etc/nothing-of-that-name")

        def switch(version):
            (HOME / version).mkdir(parents=True)
            save_safely(version, HOME / version / "x")
            os.symlink(HOME / version, HOME / "next")
            os.replace(HOME / "next", HOME / "current")

        def test_it(harness_disk):
            harness_disk.mount(HOME)
            harness_disk.setup(lambda: switch("v1"))
            seen = set()
            for crash in harness_disk.crashes(lambda: switch("v2"), profile="ordered"):
                seen.add(load(HOME / "current" / "x"))
            assert seen == {"v1", "v2"}
            assert not HOME.exists()
        """
    )
    result.assert_outcomes(passed=1)


def test_writing_elsewhere_fails_with_the_path_and_the_remedy(run):
    result = run(
        """
        def outside():
            save_in_place("in", "inside")
            try:
                save_in_place("out", "/var/nowhere-of-that-name")
            except Exception:
                pass  # code under test that swallows everything

        def test_action(harness_disk):
            for crash in harness_disk.crashes(outside):
                pass

        def test_body(harness_disk):
            for crash in harness_disk.crashes(lambda: save_in_place("x"), profile="kill"):
                outside()
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*EscapeError: harness_disk: open* writes outside */var/nowhere-of-that-name; *",
            "*use a path below harness_disk.path, or harness_disk.mount() its directory*",
        ]
    )


def test_nothing_to_check_fails_loudly(run):
    result = run(
        """
        def test_reads_only(harness_disk):
            harness_disk.setup(lambda: save_safely("x"))
            for crash in harness_disk.crashes(load):
                pass

        def test_no_loop(harness_disk):
            harness_disk.crashes(lambda: save_safely("x"))

        def test_no_such_profile(harness_disk):
            for crash in harness_disk.crashes(lambda: save_safely("x"), profile="fat"):
                pass
        """
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "*the function changed nothing below *so no crash can lose anything*",
            "*its loop never begun, so nothing was checked*",
            "*unknown profile 'fat'*",
        ]
    )


def test_leaving_a_loop_early_leaves_the_simulated_machine(run):
    result = run(
        """
        import os, time
        import pytest
        from harness.intercept import current
        REAL = os.replace, os.open, open, time.time

        def crashes(disk):
            return disk.crashes(lambda: save_in_place("x"), profile="posix")

        def test_break(harness_disk, tmp_path):
            for crash in crashes(harness_disk):
                assert current() is not None
                break
            assert current() is None
            (tmp_path / "real").write_text("")

        def test_exception(harness_disk):
            with pytest.raises(ZeroDivisionError):
                for crash in crashes(harness_disk):
                    1 / 0
            assert current() is None

        def test_failure(harness_disk):
            for crash in crashes(harness_disk):
                assert False

        def test_kept_iterator(harness_disk):
            kept = crashes(harness_disk)
            next(kept)
            assert current() is not None
            globals()["KEPT"] = kept

        def test_nested(harness_disk):
            with pytest.raises(Exception, match="inside a loop"):
                for crash in crashes(harness_disk):
                    harness_disk.setup(lambda: None)

        def test_nothing_is_left():
            assert current() is None
            assert (os.replace, os.open, open, time.time) == REAL
        """
    )
    result.assert_outcomes(passed=5, failed=1)


def test_in_company_of_other_fixtures_and_workers(run):
    result = run(
        """
        import os
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(harness_disk, monkeypatch, tmp_path, capsys, number):
            monkeypatch.setenv("HOME", str(tmp_path))
            synced = []
            harness_disk.setup(lambda: save_safely("old"))
            fsync = os.fsync
            monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), fsync(fd)))
            for crash in harness_disk.crashes(lambda: save_safely("new")):
                assert load(Path.home() / "settings.json") == ("new" if crash.returned else load())
                print(crash)
            assert len(synced) == 2
            assert "disk  settings.json" in capsys.readouterr().out

        def test_after():
            assert type(os.fsync).__name__ == "builtin_function_or_method"
        """,
        "-n",
        "2",
        "--dist=loadfile",
    )
    result.assert_outcomes(passed=5)


def test_with_hypothesis(run):
    source = """
        from hypothesis import HealthCheck, given, settings, strategies as st

        @settings(max_examples=15, database=None, deadline=None,
                  suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(old=st.text("abc"), new=st.text("abc"))
        def test_it(harness_disk, old, new):
            harness_disk.setup(lambda: {save}(old))
            for crash in harness_disk.crashes(lambda: {save}(new), profile="ext4"):
                assert load() in (old, new)
        """
    run(source.format(save="save_safely")).assert_outcomes(passed=1)
    failed = run(source.format(save="save_in_place"))
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["*harness_disk: crash under ext4*"])


def test_durability_shows_after_the_return(run):
    result = run(
        """
        def test_it(harness_disk):
            harness_disk.setup(lambda: save_safely("old"))
            for crash in harness_disk.crashes(lambda: save_by_rename("new"), profile="ordered"):
                assert load() in ("old", "new")
                if crash.returned:
                    assert load() == "new"
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*after 4 of 4 calls; the function had returned*",
            '*os.replace(temporary, path): rename("settings.json.tmp"*',
        ]
    )


def test_failing_calls(run):
    result = run(
        """
        def test_in_place(harness_disk):
            harness_disk.setup(lambda: save_safely("old"))
            for failure in harness_disk.failures(lambda: save_in_place("new")):
                assert load() in ("old", "new")

        def test_safely(harness_disk):
            harness_disk.setup(lambda: save_safely("old"))
            raised = 0
            for failure in harness_disk.failures(lambda: save_safely("new")):
                assert load() in ("old", "new")
                raised += failure.raised is not None
                assert failure.raised or load() == "new"
            assert raised > 10
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*harness_disk: with write #1: *at settings.py:11*raised OSError*"]
    )


def test_what_is_in_the_directory_is_on_the_disk(run):
    result = run(
        """
        def test_it(harness_disk, tmp_path):
            (tmp_path / "conf").mkdir()
            (tmp_path / "conf" / "a").write_text("before")
            for crash in harness_disk.crashes(lambda: save_safely("x", "conf/b"), profile="posix"):
                assert load("conf/a") == "before"
                (tmp_path / "conf" / "a").write_text("changed")
            assert (tmp_path / "conf" / "a").read_text() == "before"
        """
    )
    result.assert_outcomes(passed=1)
