"""The same script under strace on a real filesystem and on the simulated machine: same calls.

Each file in scripts/ runs twice. What strace saw is put through a small model of names, inodes and
offsets, so that both sides tell the same story: the calls that change something, in order, with
offsets and bytes. Names, pids and times that are random on the real side are given neutral names
on both.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import trace
from harness.script import run_script

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
CALLS = (
    "open,openat,creat,close,read,pread64,readv,preadv,preadv2,write,pwrite64,writev,pwritev,"
    "pwritev2,lseek,ftruncate,truncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "mkdir,mkdirat,rmdir,symlink,symlinkat,fsync,fdatasync,sync,syncfs,sendfile,copy_file_range,"
    "fallocate,dup,dup2,dup3,fcntl,chdir,fchdir"
)
STRACE = shutil.which("strace")
MISSING = "strace is missing: install it (apt-get install strace) to compare with a real disk"


# -- the real side ---------------------------------------------------------------------------------


@dataclass
class Inode:
    number: int
    content: bytearray = field(default_factory=bytearray)


@dataclass
class Description:
    path: str
    inode: Inode | None  # None: a directory
    append: bool = False
    position: int = 0
    wrote: bool = False
    holders: int = 1


ESCAPES = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)", re.DOTALL)
LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", '"': '"', "\\": "\\"}


def unquote(text: str) -> bytes:
    """Decode a C string as strace prints it."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code in LETTERS:
            return LETTERS[code]
        return chr(int(code[1:], 16) if code.startswith("x") else int(code, 8))

    return ESCAPES.sub(one, text[1:-1]).encode("latin-1")


def split_arguments(text: str) -> list[str]:
    """Split at the commas that are outside strings and brackets."""
    parts, depth, quoted, start, position = [], 0, False, 0, 0
    while position < len(text):
        letter = text[position]
        if quoted:
            if letter == "\\":
                position += 1
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in "[{<":
            depth += 1
        elif letter in "]}>" and text[position - 1] != "=":  # "=>" shows a value that changed
            depth -= 1
        elif letter == "," and not depth:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    parts.append(text[start:].strip())
    return parts


class Story:
    """Retells an strace log as the calls that changed something below two directories."""

    def __init__(self, work: str, temporary: str) -> None:
        self.roots = {work: "", temporary: "/tmp"}
        self.cwd = work
        self.names: dict[str, Inode] = {}
        self.links: dict[str, str] = {}
        self.fds: dict[int, Description] = {}
        self.inodes = 0
        self.probes: set[str] = set()
        self.lines: list[tuple[object, ...]] = []

    def inside(self, path: str) -> str | None:
        for root, stands_for in self.roots.items():
            if path == root:
                return stands_for or "."
            if path.startswith(root + "/"):
                below = path[len(root) + 1 :]
                return f"{stands_for}/{below}" if stands_for else below
        return None

    def path(self, argument: str, directory: str = "AT_FDCWD") -> str | None:
        name = os.fsdecode(unquote(argument))
        base = self.cwd
        if directory != "AT_FDCWD" and not directory.startswith("AT_FDCWD<"):
            base = directory.partition("<")[2].rpartition(">")[0]
        return self.inside(os.path.normpath(os.path.join(base, name)))

    def follow(self, path: str) -> str:
        while path in self.links:
            path = os.path.normpath(os.path.join(os.path.dirname(path), self.links[path]))
        return path

    def new_inode(self) -> Inode:
        self.inodes += 1
        return Inode(self.inodes)

    def tell(self, *line: object) -> None:
        self.lines.append(line)

    def write(self, description: Description, data: bytes, offset: int | None) -> None:
        inode = description.inode
        assert inode is not None
        moves = offset is None
        if description.append:
            offset = len(inode.content)
        elif offset is None:
            offset = description.position
        if moves:
            description.position = offset + len(data)
        if not data:
            return
        self.put(inode, data, offset)
        description.wrote = True
        self.tell("write", inode.number, offset, data)

    def put(self, inode: Inode, data: bytes, offset: int) -> None:
        if len(inode.content) < offset:
            inode.content.extend(bytes(offset - len(inode.content)))
        inode.content[offset : offset + len(data)] = data

    def resize(self, inode: Inode, size: int) -> None:
        del inode.content[size:]
        inode.content.extend(bytes(size - len(inode.content)))
        self.tell("truncate", inode.number, size)

    def call(self, name: str, arguments: list[str], result: int) -> None:
        handler = getattr(self, "on_" + name.removesuffix("64"), None)
        if handler is not None and result >= 0:
            handler(arguments, result)

    def description(self, argument: str) -> Description | None:
        return self.fds.get(int(argument.partition("<")[0]))

    def on_openat(self, arguments: list[str], result: int) -> None:
        directory, name, flags = arguments[:3]
        mode = int(arguments[3], 8) & 0o7755 if len(arguments) > 3 else 0
        path = self.path(name, directory)
        if path is None:
            self.fds.pop(result, None)
            return
        words = set(flags.split("|"))
        if re.fullmatch(r"/tmp/[a-z0-9_]{8}", path) and "O_EXCL" in words:
            # tempfile tries its directory once a process; on the simulated machine it need not.
            self.probes.add(path)
            return
        append = "O_APPEND" in words
        if "O_TMPFILE" in words:
            inode = self.new_inode()
            self.tell("create", None, inode.number, mode)
            self.fds[result] = Description("", inode, append)
            return
        path = self.follow(path)
        inode = self.names.get(path)
        if inode is None and "O_CREAT" in words:
            inode = self.names[path] = self.new_inode()
            self.tell("create", path, inode.number, mode)
        elif inode is not None and "O_TRUNC" in words and inode.content:
            self.resize(inode, 0)
        self.fds[result] = Description(path, inode, append)

    def on_close(self, arguments: list[str], _result: int) -> None:
        description = self.fds.pop(int(arguments[0].partition("<")[0]), None)
        if description is not None:
            description.holders -= 1
            if not description.holders and description.wrote:
                assert description.inode is not None
                self.tell("close", description.inode.number)

    def on_read(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            description.position += result

    on_readv = on_read

    def on_write(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            self.write(description, unquote(arguments[1])[:result], None)

    def on_pwrite(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            self.write(description, unquote(arguments[1])[:result], int(arguments[3]))

    def vector(self, argument: str, result: int) -> bytes:
        parts = re.findall(r'iov_base=("(?:[^"\\]|\\.)*")', argument)
        return b"".join(map(unquote, parts))[:result]

    def on_writev(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            self.write(description, self.vector(arguments[1], result), None)

    def on_pwritev(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            self.write(description, self.vector(arguments[1], result), int(arguments[3]))

    on_pwritev2 = on_pwritev

    def on_lseek(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            description.position = result

    def on_ftruncate(self, arguments: list[str], _result: int) -> None:
        description = self.description(arguments[0])
        if description is not None and description.inode is not None:
            self.resize(description.inode, int(arguments[1]))

    def on_truncate(self, arguments: list[str], _result: int) -> None:
        path = self.path(arguments[0])
        if path is not None:
            self.resize(self.names[self.follow(path)], int(arguments[1]))

    def on_fallocate(self, arguments: list[str], _result: int) -> None:
        description = self.description(arguments[0])
        if description is not None and description.inode is not None:
            end = int(arguments[2]) + int(arguments[3])
            if end > len(description.inode.content):
                self.resize(description.inode, end)

    def renamed(self, src: str | None, dst: str | None) -> None:
        if src is None or dst is None:
            return
        self.tell("rename", src, dst)
        moved = [name for name in self.names if name == src or name.startswith(src + "/")]
        for name in moved:
            self.names[dst + name[len(src) :]] = self.names.pop(name)
        if src in self.links:
            self.links[dst] = self.links.pop(src)

    def on_rename(self, arguments: list[str], _result: int) -> None:
        self.renamed(self.path(arguments[0]), self.path(arguments[1]))

    def on_renameat(self, arguments: list[str], _result: int) -> None:
        self.renamed(self.path(arguments[1], arguments[0]), self.path(arguments[3], arguments[2]))

    on_renameat2 = on_renameat

    def linked(self, src: str | None, dst: str | None, text: str) -> None:
        if dst is None:
            return
        descriptor = re.search(r"/fd/(\d+)", text)
        if descriptor is not None:
            inode = self.fds[int(descriptor[1])].inode
            self.tell("link", None, dst)
        else:
            assert src is not None
            inode = self.names[src]
            self.tell("link", src, dst)
        assert inode is not None
        self.names[dst] = inode

    def on_link(self, arguments: list[str], _result: int) -> None:
        self.linked(self.path(arguments[0]), self.path(arguments[1]), arguments[0])

    def on_linkat(self, arguments: list[str], _result: int) -> None:
        self.linked(
            self.path(arguments[1], arguments[0]),
            self.path(arguments[3], arguments[2]),
            arguments[1],
        )

    def on_symlink(self, arguments: list[str], _result: int) -> None:
        self.on_symlinkat([arguments[0], "AT_FDCWD", arguments[1]], 0)

    def on_symlinkat(self, arguments: list[str], _result: int) -> None:
        path = self.path(arguments[2], arguments[1])
        if path is not None:
            target = os.fsdecode(unquote(arguments[0]))
            self.links[path] = target
            self.tell("symlink", target, path)

    def removed(self, kind: str, path: str | None) -> None:
        if path is not None and path not in self.probes:
            self.tell(kind, path)
            self.names.pop(path, None)
            self.links.pop(path, None)

    def on_unlink(self, arguments: list[str], _result: int) -> None:
        self.removed("unlink", self.path(arguments[0]))

    def on_rmdir(self, arguments: list[str], _result: int) -> None:
        self.removed("rmdir", self.path(arguments[0]))

    def on_unlinkat(self, arguments: list[str], _result: int) -> None:
        kind = "rmdir" if "AT_REMOVEDIR" in arguments[2] else "unlink"
        self.removed(kind, self.path(arguments[1], arguments[0]))

    def on_mkdir(self, arguments: list[str], _result: int) -> None:
        path = self.path(arguments[0])
        if path is not None:
            self.tell("mkdir", path)

    def on_mkdirat(self, arguments: list[str], _result: int) -> None:
        path = self.path(arguments[1], arguments[0])
        if path is not None:
            self.tell("mkdir", path)

    def on_fsync(self, arguments: list[str], _result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            inode = description.inode
            self.tell("fsync", description.path if inode is None else inode.number)

    def on_fdatasync(self, arguments: list[str], _result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            assert description.inode is not None
            self.tell("fdatasync", description.inode.number)

    def on_sync(self, _arguments: list[str], _result: int) -> None:
        self.tell("sync")

    def moved(self, source: Description, offset: str, count: int) -> bytes:
        assert source.inode is not None
        at = source.position if offset == "NULL" else int(offset.strip("[]").split("]")[0])
        if offset == "NULL":
            source.position += count
        return bytes(source.inode.content[at : at + count])

    def on_sendfile(self, arguments: list[str], result: int) -> None:
        target, source = self.description(arguments[0]), self.description(arguments[1])
        if target is not None and source is not None:
            self.write(target, self.moved(source, arguments[2], result), None)

    def on_copy_file_range(self, arguments: list[str], result: int) -> None:
        source, target = self.description(arguments[0]), self.description(arguments[2])
        if target is not None and source is not None:
            data = self.moved(source, arguments[1], result)
            to = arguments[3]
            self.write(target, data, None if to == "NULL" else int(to.strip("[]").split("]")[0]))

    def on_dup(self, arguments: list[str], result: int) -> None:
        description = self.description(arguments[0])
        if description is not None:
            description.holders += 1
            self.fds[result] = description

    def on_fcntl(self, arguments: list[str], result: int) -> None:
        if arguments[1].startswith("F_DUPFD"):
            self.on_dup(arguments, result)

    def on_chdir(self, arguments: list[str], _result: int) -> None:
        self.cwd = os.path.normpath(os.path.join(self.cwd, os.fsdecode(unquote(arguments[0]))))


LINE = re.compile(r"(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+)", re.DOTALL)


def real_story(script: Path, work: Path, temporary: Path, log: Path) -> tuple[list, int]:
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(temporary),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [
            STRACE,
            "-f",
            "-y",
            "-x",
            "-s",
            "10000000",
            "-e",
            f"trace={CALLS}",
            "-o",
            log,
            sys.executable,
            "-I",
            str(script),
        ],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    story = Story(str(work), str(temporary))
    pid = 0
    for line in log.read_text("latin-1").split("\n"):
        match = LINE.match(line)
        if match is not None:
            pid = pid or int(match[1])
            story.call(match[2], split_arguments(match[3]), int(match[4]))
    return story.lines, pid


# -- the simulated side ----------------------------------------------------------------------------


def simulated_story(records: list[trace.Record]) -> Iterator[tuple[object, ...]]:
    numbers: dict[int | None, int] = {}

    def inode(record: trace.Write | trace.Create) -> int:
        return numbers[record.ino]

    for record in records:
        assert not isinstance(record, trace.Mark), record.detail
        if record.error is not None:
            continue
        match record:
            case trace.Create():
                numbers[record.ino] = len(numbers) + 1
                path = None if record.unnamed else record.path
                yield "create", path, inode(record), record.mode
            case trace.Write():
                yield "write", inode(record), record.offset, record.data
            case trace.Truncate():
                yield "truncate", inode(record), record.size
            case trace.Link():
                yield (
                    "link",
                    None if record.ino in numbers and "#" in record.src else record.src,
                    (record.dst),
                )
            case trace.Symlink():
                yield "symlink", record.target, record.path
            case trace.Rename():
                yield "rename", record.src, record.dst
            case trace.Unlink() | trace.Rmdir() | trace.Mkdir():
                yield record.__struct_config__.tag, record.path
            case trace.Fsync():
                yield "fsync", record.path if record.dir else inode(record)
            case trace.Fdatasync():
                yield "fdatasync", inode(record)
            case trace.Sync():
                yield ("sync",)
            case trace.Close():
                if record.wrote:
                    yield "close", inode(record)


# -- comparing -------------------------------------------------------------------------------------


def neutral(lines: list[tuple[object, ...]], pid: int, host: str) -> list[tuple[object, ...]]:
    """Give what is random in names the same name on both sides, numbered as it first appears."""
    pattern = re.compile(
        rf"tmp[a-z0-9_]{{8}}|(?<=\.settings-)[a-z0-9_]{{8}}|\b{pid}\b|\b\d{{10}}\b|{re.escape(host)}"
    )
    seen: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        return seen.setdefault(match[0], f"<random {len(seen) + 1}>")

    return [
        tuple(pattern.sub(rename, item) if isinstance(item, str) else item for item in line)
        for line in lines
    ]


def shown(lines: list[tuple[object, ...]]) -> list[str]:
    """Shorten the data, so that a failing comparison can be read."""
    return [
        " ".join(
            f"{len(item)} bytes {item[:20]!r}#{hash_of(item)}"
            if isinstance(item, bytes)
            else str(item)
            for item in line
        )
        for line in lines
    ]


def hash_of(data: bytes) -> int:
    return zlib.crc32(data)


@pytest.mark.skipif(STRACE is None, reason=MISSING)
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_script_makes_the_same_calls_as_on_a_real_disk(script: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    if work.stat().st_blksize != 4096:
        pytest.skip(f"{work} has blocks of {work.stat().st_blksize} bytes; put --basetemp on ext4")
    shared_memory = Path("/dev/shm")
    temporary = shared_memory / f"harness-strace-{os.getpid()}-{script.stem}"
    if not os.access(shared_memory, os.W_OK):
        pytest.skip("no second filesystem to stand for /tmp: /dev/shm is not writable")
    temporary.mkdir()
    try:
        real, pid = real_story(script, work, temporary, tmp_path / "log")
    finally:
        shutil.rmtree(temporary)
    simulated = list(simulated_story(run_script(str(script))))
    assert len(real) >= 2, "a script that changes nothing compares nothing"
    assert shown(neutral(simulated, 1001, "simulated")) == shown(
        neutral(real, pid, socket.gethostname())
    )
