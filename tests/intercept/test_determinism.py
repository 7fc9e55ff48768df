"""Two runs of one program on one seed do the same, whatever the host, clock or hash seed."""

# ruff: noqa: DTZ005, DTZ011, ICN001, PLW0108 - what a program would write, and looked up while rerouted

from __future__ import annotations

import datetime
import logging
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import Future
from pathlib import Path
from random import randint as captured_randint

import pytest

from harness.disk import Machine
from harness.intercept import active, rerouted

PROGRAM = """
import datetime, json, logging, os, random, secrets, socket, tempfile, threading, time, uuid

def surroundings():
    return {
        "time": [time.time(), time.time_ns(), time.monotonic(), time.perf_counter(), time.ctime()],
        "civil": [list(time.localtime()), time.strftime("%H:%M:%S %Z"), time.asctime()],
        "datetime": [str(datetime.datetime.now()), str(datetime.datetime.now(datetime.UTC)),
                     str(datetime.date.today()), str(datetime.datetime.today())],
        "pid": [os.getpid(), os.getppid(), threading.get_native_id()],
        "random": [random.random(), random.randint(1, 10**9), random.Random().random(),
                   random.SystemRandom().random(), secrets.token_hex(), os.urandom(4).hex()],
        "uuid": [str(uuid.uuid1()), str(uuid.uuid4()), uuid.getnode()],
        "host": [socket.gethostname(), os.uname().nodename],
    }

with open("surroundings.json", "w") as file:
    json.dump(surroundings(), file)
for _ in range(3):
    descriptor, name = tempfile.mkstemp(dir=".")
    os.close(descriptor)
logging.basicConfig(filename="log", format="%(asctime)s %(process)d %(message)s")
logging.error("something")
time.sleep(3600)
with open(f"{time.time()}.{os.getpid()}", "w") as file:
    file.write(str(os.stat("log").st_mtime_ns))
"""

RUN = """
import sys
from harness.script import run_script
from harness.trace import dump_line
for record in run_script(sys.argv[1], seed=int(sys.argv[2])):
    print(dump_line(record))
"""


def run(script, seed, **environment):
    done = subprocess.run(
        [sys.executable, "-c", RUN, script, str(seed)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout


def test_a_trace_depends_on_nothing_but_the_program_and_the_seed(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    first = run(script, 7, PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    second = run(script, 7, PYTHONHASHSEED="2", TZ="America/New_York", TMPDIR="/var/tmp")
    assert first == second
    assert first.count('"op":"create"') == 6
    assert run(script, 8, PYTHONHASHSEED="1") != first


@pytest.fixture
def machines():
    with rerouted():
        yield [Machine(seed=3), Machine(seed=3), Machine(seed=4)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.random(),
        lambda: captured_randint(0, 10**9),
        lambda: random.Random().random(),
        lambda: random.SystemRandom().random(),
        lambda: random.sample(range(1000), 5),
        lambda: secrets.token_bytes(),
        lambda: os.urandom(8),
        lambda: uuid.uuid4(),
        lambda: uuid.uuid1().bytes[8:10],
        lambda: tempfile.mkstemp()[1],
        lambda: tempfile.mkdtemp(),
    ],
)
def test_random_choices_follow_the_seed(machines, draw):
    seen = []
    for machine in machines:
        with active(machine.process()):
            seen.append([draw() for _ in range(4)])
    assert seen[0] == seen[1] != seen[2]
    with active(machines[0].process()):
        assert [draw() for _ in range(4)] != seen[0], "another process draws otherwise"


def test_a_process_goes_on_drawing_where_it_stopped(machines):
    one, other = machines[0].process(), machines[1].process()
    with active(one):
        drawn = [random.random()]
        with active(machines[2].process()):
            random.random()
        drawn.append(random.random())
    with active(other):
        assert [random.random(), random.random()] == drawn


def test_the_host_s_generators_are_left_alone(machines):
    state = random.getstate()
    with active(machines[0].process()):
        random.random()
        random.seed(1)
        random.shuffle([1, 2, 3])
    assert random.getstate() == state
    assert random.Random(5).random() == random.Random(5).random()


def test_the_clock_is_virtual_and_sleeping_takes_no_time(machines):
    before = time.monotonic()
    with active(machines[0].process()):
        start, wall = time.monotonic(), time.time()
        time.sleep(86_400)
        assert 86_400 <= time.monotonic() - start < 86_401
        assert 86_400 <= time.time() - wall < 86_401
        assert time.gmtime().tm_yday == time.localtime().tm_yday
        late = datetime.datetime.now(datetime.UTC)
        assert abs(late.timestamp() - time.time()) < 0.001
        assert datetime.datetime.now().date() == datetime.date.today()
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
        ticks = [time.time_ns() for _ in range(3)]
        assert ticks == sorted(set(ticks)), "two looks at the clock never tell the same"
    assert time.monotonic() - before < 3600


def test_datetime_is_itself_again_afterwards():
    before = {name: vars(datetime.datetime)[name] for name in ("now", "utcnow")}
    today = vars(datetime.date)["today"]
    with rerouted():
        assert vars(datetime.datetime)["now"] is not before["now"]
        assert abs(datetime.datetime.now().timestamp() - time.time()) < 60
    assert {name: vars(datetime.datetime)[name] for name in before} == before
    assert vars(datetime.date)["today"] is today
    assert type(datetime.datetime.now()) is datetime.datetime


def test_waiting_for_a_thread_does_not_hang_on_the_virtual_clock(machines):
    with active(machines[0].process()):
        never = threading.Event()
        assert not never.wait(0.01)
        with pytest.raises(TimeoutError):
            Future().result(timeout=0.01)


def test_host_and_process_identity(machines):
    with active(machines[0].process()) as process:
        assert socket.gethostname() == os.uname().nodename == "simulated"
        assert os.getpid() == process.pid != os.getppid()
        record = logging.makeLogRecord({})
        assert Path("x").absolute() == Path("/simulated/x")
    assert record is not None
    assert os.getpid() != process.pid
