"""The part of a pasted test that is the same in all of them; see `harness.pasted`."""

# -- what a crash may leave ----------------------------------------------------------------------
#
# pyfakefs keeps whatever was written; a power cut does not. Every change of a name or of bytes is
# noted as a step, and every fsync too. `crash_states` gives the directories that may be found
# after a crash, by RULES:
#
# - order: "returned": the process dies, and all it did is there; "effects": the disk keeps the
#   order and may stop anywhere; "free": what was not synced may be lost, whatever came later;
# - names: "journal": kept in order, and any fsync brings them all; "log-tree": in order, but an
#   fsync brings those of one file or directory ahead; "independent": each may be lost alone, and
#   only an fsync of their directory brings them;
# - size_needs_data: whether a size waits for the bytes it shows (else they may read as zeros);
# - rename_over: what of a file is there before its rename over an existing name: its "size", its
#   "data", or "nothing";
# - torn: whether a page may be written in part, at a sector boundary.
from __future__ import annotations

import inspect
import itertools
import os
import zlib

import pytest
from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

RULES: dict = {}
open_store = None
# -- below this line everything goes into the test
PAGE, SECTOR = 4096, 512
MOST = 3000  # images of one crash that are made by combining all files; beyond, one at a time


class Disk:
    """What pyfakefs is asked to do, step by step."""

    def __init__(self):
        self.steps = []  # ("name", [(directory, name, thing or None)]), ("bytes", thing, old, new)
        self.numbers = {}  # id of a fake object: its number, and the object itself
        self.things = {}
        self.listening = False
        self.group = None  # changes of names that are one call
        self.failing = None  # which call fails: its name, how many before it, the errno
        self.failed = False
        self.part = None  # bytes that a write moves before it fails, or stops
        self.raw = False  # whether os.write is at work
        self.places = 0

    def number(self, thing):
        if id(thing) not in self.numbers:
            self.numbers[id(thing)] = len(self.numbers), thing
            self.things[len(self.numbers) - 1] = thing
        return self.numbers[id(thing)][0]

    def name(self, directory, name, thing):
        if self.listening:
            change = self.number(directory), name, None if thing is None else self.number(thing)
            if self.group is None:
                self.steps.append(("name", [change]))
            else:
                self.group.append(change)

    def end_of_group(self):
        last = {change[:2]: change for change in self.group}
        # The new name before the end of the old one: a file that moves is never without one.
        group = sorted(last.values(), key=lambda change: change[2] is None)
        self.group = None
        if group:
            self.steps.append(("name", group))

    def content(self, thing, old, new):
        if self.listening and (old or b"") != (new or b""):
            self.steps.append(("bytes", self.number(thing), old or b"", new or b""))

    def synced(self, thing):
        if self.listening:
            self.steps.append(("sync", None if thing is None else self.number(thing)))

    def strike(self, call):
        """Let the call fail that is meant to."""
        if self.failing is not None and call in self.failing[0]:
            if self.failing[1] == 0:
                failing, self.failing, self.failed = self.failing, None, True
                raise OSError(failing[2], os.strerror(failing[2] or 0))
            self.failing = self.failing[0], self.failing[1] - 1, self.failing[2]


@pytest.fixture
def disk(monkeypatch, request):
    """Watch pyfakefs; it is installed last, so that what captured a function early is watched."""
    watched = Disk()

    def instead(owner, name, make):
        monkeypatch.setattr(owner, name, make(getattr(owner, name, None)), raising=False)

    def set_attribute(original):
        def set_(self, key, value):
            if key == "_byte_contents" and not isinstance(self, FakeDirectory):
                old = self.__dict__.get(key) or b""
                if watched.listening and not watched.raw and len(value or b"") > len(old):
                    watched.strike("write")  # of a buffer that is flushed
                watched.content(self, old, value)
            original(self, key, value)

        return set_

    def add_entry(original):
        def add(self, thing):
            original(self, thing)
            watched.name(self, thing.name, thing)

        return add

    def remove_entry(original):
        def remove(self, name, *rest, **more):
            original(self, name, *rest, **more)
            watched.name(self, name, None)

        return remove

    def rename(original):
        def rename_(self, *rest, **more):
            watched.group = []
            try:
                return original(self, *rest, **more)
            finally:
                watched.end_of_group()

        return rename_

    def sync(original):
        def sync_(self, descriptor):
            thing = self.filesystem.get_open_file(descriptor).get_object()
            try:
                watched.strike("fsync")
            except OSError:
                # The kernel reports it once: what was written counts as clean, and is lost.
                watched.steps.append(("dropped", watched.number(thing)))
                raise
            original(self, descriptor)
            watched.synced(thing)

        return sync_

    def striking(name):
        def make(original):
            def call(self, *rest, **more):
                if name == "open" and len(rest) > 1 and not rest[1] & os.O_CREAT:
                    return original(self, *rest, **more)
                watched.strike(name)
                return original(self, *rest, **more)

            return call

        return make

    def close(original):
        def close_(self, descriptor):
            thing = self.filesystem.get_open_file(descriptor).get_object()
            original(self, descriptor)  # one that fails has closed all the same
            try:
                watched.strike("close")
            except OSError:
                watched.steps.append(("dropped", watched.number(thing)))
                raise

        return close_

    def lseek(original):
        def lseek_(self, descriptor, position, whence):
            original(self, descriptor, position, whence)
            handle = self.filesystem.get_open_file(descriptor)
            if whence == os.SEEK_END:  # pyfakefs gives no answer
                return handle.get_object().size + position
            return handle.tell()

        return lseek_

    instead(FakeOsModule, "lseek", lseek)
    instead(FakeOsModule, "close", close)

    def write(original):
        def write_(self, descriptor, content):
            watched.raw = True
            try:
                part = bytes(content)[: watched.part]
                try:
                    watched.strike("write")
                except OSError as error:
                    if watched.part is None:
                        raise
                    made = original(self, descriptor, part)
                    if error.errno:
                        raise
                    return made  # it takes less than it was given, and says so
                return original(self, descriptor, content)
            finally:
                watched.raw = False

        return write_

    instead(FakeOsModule, "write", write)
    instead(FakeFile, "__setattr__", set_attribute)
    instead(FakeDirectory, "add_entry", add_entry)
    instead(FakeDirectory, "remove_entry", remove_entry)
    instead(FakeFilesystem, "rename", rename)
    for call in ("open", "rename", "replace", "unlink", "remove", "mkdir"):
        instead(FakeOsModule, call, striking(call))
    instead(FakeOsModule, "fsync", sync)
    instead(FakeOsModule, "fdatasync", sync)
    instead(FakeOsModule, "sync", lambda _: lambda _self: watched.synced(None))
    watched.fs = request.getfixturevalue("fs")
    # A file system of its own, as /tmp is another: a rename between them fails, as it does.
    watched.fs.add_mount_point("/disk")
    return watched


def lay_out(disk, image):
    """Make a directory that holds an image; give its path."""
    disk.places += 1
    base = f"/disk/{disk.places}"
    os.mkdir(base)
    dirs, files = image
    for path in sorted(dirs):
        os.mkdir(f"{base}/{path}")
    for path, content in files:
        with open(f"{base}/{path}", "wb") as file:
            file.write(content)
    return base


class Run:
    """The steps of a run that starts from a directory, all of which is durable.

    Args:
        disk: The watched disk.
        base: The directory.
    """

    def __init__(self, disk, base):
        self.disk = disk
        self.root = disk.number(disk.fs.get_object(base))
        self.names, self.contents = {}, {}
        self._adopt(disk.fs.get_object(base))
        disk.steps = []

    def _adopt(self, directory):
        names = self.names[self.disk.number(directory)] = {}
        for name, thing in directory.entries.items():
            names[name] = self.disk.number(thing)
            if isinstance(thing, FakeDirectory):
                self._adopt(thing)
            else:
                self.contents[names[name]] = thing.byte_contents or b""

    def successor(self, upto):
        """Lay out what the process leaves that dies after a step; give the directory.

        The things in it keep their numbers: what follows joins what came before.
        """
        effects = [one for one in self.effects() if one[0] <= upto]
        self.disk.steps = self.disk.steps[:upto]
        self.disk.listening = False
        base = lay_out(self.disk, self.image(effects))
        names, _ = self._replay(effects)

        def number(directory, node):
            self.disk.numbers[id(directory)] = node, directory
            self.disk.things[node] = directory
            for name, thing in getattr(directory, "entries", {}).items():
                number(thing, names[node][name])

        number(self.disk.fs.get_object(base), self.root)
        return base

    def effects(self):
        """Split the steps into what can reach the disk alone: (step, kind, thing, detail)."""
        found = []
        for number, step in enumerate(self.disk.steps, 1):
            if step[0] == "name":
                one_directory = len({change[0] for change in step[1]}) == 1
                whole = one_directory or RULES["names"] == "journal" or RULES["order"] != "free"
                for group in [step[1]] if whole else [[change] for change in step[1]]:
                    found.append((number, "name", group[0][0], tuple(group)))
            elif step[0] == "bytes":
                found += self._pages(number, *step[1:])
        return found

    def _pages(self, number, thing, old, new):
        if len(new) < len(old):
            yield number, "cut", thing, len(new)
        for start in range(0, len(new), PAGE):
            part, was = new[start : start + PAGE], old[start : start + PAGE]
            if part == was:
                continue
            first = next(
                (n for n, pair in enumerate(zip(part, was, strict=False)) if pair[0] != pair[1]),
                None,
            )
            first = min(len(part), len(was)) if first is None else first
            yield number, "data", thing, (start + first, part[first:])
            if start + len(part) > len(old):
                yield number, "size", thing, start + len(part)

    def _synced(self, effect, upto):
        """Tell whether an fsync that returned has brought an effect."""
        number, kind, thing, detail = effect
        for step in self.disk.steps[number:upto]:
            if step[0] == "dropped" and step[1] == thing and kind != "name":
                return False
            if step[0] != "sync":
                continue
            brought = {thing} if kind != "name" else {change[0] for change in detail}
            if RULES["names"] == "log-tree" and kind == "name":
                brought |= {change[2] for change in detail}
            journal = RULES["names"] == "journal" and kind in ("name", "cut")
            if RULES["order"] != "free" or step[1] is None or journal or step[1] in brought:
                return True
        return False

    def _replay(self, effects):
        names = {directory: dict(entries) for directory, entries in self.names.items()}
        contents = {thing: bytearray(content) for thing, content in self.contents.items()}
        sizes = {thing: len(content) for thing, content in contents.items()}
        for _, kind, thing, detail in effects:
            if kind == "name":
                for directory, name, target in detail:
                    names.setdefault(directory, {})[name] = target
                    if target is None:
                        del names[directory][name]
                continue
            content = contents.setdefault(thing, bytearray())
            if kind == "data":
                start, data = detail
                content.extend(bytes(max(0, start - len(content))))
                content[start : start + len(data)] = data
            else:
                sizes[thing] = detail
                if kind == "cut":
                    del content[detail:]
        whole = {
            thing: bytes(content[: sizes.get(thing, 0)]).ljust(sizes.get(thing, 0), b"\0")
            for thing, content in contents.items()
        }
        return names, whole

    def image(self, effects):
        """Build the directory that holds just these effects: its directories and its files."""
        names, contents = self._replay(effects)
        dirs, files, pending = [], [], [("", self.root)]
        while pending:
            prefix, directory = pending.pop()
            for name, thing in names.get(directory, {}).items():
                if isinstance(self.disk.things[thing], FakeDirectory):
                    dirs.append(prefix + name)
                    pending.append((f"{prefix}{name}/", thing))
                else:
                    files.append((prefix + name, contents.get(thing, b"")))
        return tuple(sorted(dirs)), tuple(sorted(files))

    def crash_states(self, upto):
        """Give each directory once that a crash right after a step, or in the next, may leave."""
        everything = self.effects()
        issued = [one for one in everything if one[0] <= upto]
        beginning = [one for one in everything if one[0] == upto + 1 and one[1] != "name"]
        if RULES["order"] == "returned":
            sets = [issued] + [issued + beginning[:n] for n in range(2, len(beginning), 2)]
        elif RULES["order"] == "effects":
            sets = list(self._in_order(issued + beginning, upto))
        else:
            sets = self._free(issued, upto)
        seen = {}
        for one in sets:
            seen.setdefault(self.image(one))
        return list(seen)

    def _in_order(self, effects, upto):
        durable = max((n for n, e in enumerate(effects, 1) if self._synced(e, upto)), default=0)
        for count in range(durable, len(effects) + 1):
            yield effects[:count]
            if count < len(effects) and effects[count][1] == "data":
                for part in torn(effects[count]):
                    start, data = part[3]
                    yield [*effects[:count], part, (part[0], "size", part[2], start + len(data))]

    def _free(self, effects, upto):
        durable = {id(one) for one in effects if self._synced(one, upto)}
        files = {}
        for one in effects:
            if one[1] != "name":
                files.setdefault(one[2], []).append(one)
        variants = {thing: self._contents(own, durable) for thing, own in files.items()}
        for names in self._names([one for one in effects if one[1] == "name"], durable):
            reached = self.reached(names)
            choices = [
                [v for v in vs if self._complete(thing, files[thing], v, names)]
                for thing, vs in variants.items()
                if thing in reached
            ]
            count = 1
            for one in choices:
                count *= len(one)
            if count <= MOST:
                combined = itertools.product(*choices)
            else:
                ends = [[one[0], one[-1]] for one in choices]
                combined = itertools.chain.from_iterable(
                    itertools.product(*ends[:n], one, *ends[n + 1 :])
                    for n, one in enumerate(choices)
                )
            for chosen in combined:
                yield names + [effect for one in chosen for effect in one]

    def reached(self, effects):
        names, _ = self._replay(effects)
        found, pending = set(), [self.root]
        while pending:
            for thing in names.get(pending.pop(), {}).values():
                found.add(thing)
                pending.append(thing)
        return found

    def _names(self, effects, durable):
        """Give the sets of names that may be there."""
        loose = [one for one in effects if id(one) not in durable]
        if RULES["names"] != "independent":
            chosen = [loose[:count] for count in range(len(loose) + 1)]
        elif len(loose) <= 8:
            chosen = [
                list(itertools.compress(loose, bits))
                for bits in itertools.product((False, True), repeat=len(loose))
            ]
        else:
            chosen = [loose[:count] for count in range(len(loose) + 1)]
            chosen += [[one for one in loose if one is not lost] for lost in loose]
            chosen += [[kept] for kept in loose]
        for one in chosen:
            there = {id(effect) for effect in one} | durable
            taken = [effect for effect in effects if id(effect) in there]
            pairs = [
                (a, b) for a, b in itertools.pairwise(effects) if a[0] == b[0] and id(b) in there
            ]
            if all(id(a) in there for a, b in pairs):
                yield taken

    def _contents(self, effects, durable):
        """Give what may be there of one file: the least first, all of it last."""
        count = max((n for n, one in enumerate(effects, 1) if id(one) in durable), default=0)
        kept, loose = effects[:count], effects[count:]
        found = [kept + loose[:n] for n in range(len(loose))]
        sizes = [one for one in loose if one[1] != "data"]
        grown = {(one[0], one[2], one[3]) for one in loose if one[1] == "size"}
        for number, one in enumerate(loose):
            if one[1] != "data":
                continue
            shown = (one[0], one[2], one[3][0] + len(one[3][1])) in grown
            if shown and RULES["size_needs_data"]:
                continue
            rest = loose[:number] + loose[number + 1 :]
            found.append(kept + rest)
            if not RULES["size_needs_data"] or not sizes:
                found.append([*kept, *sizes, one])
            found += [[*kept, *rest, part] for part in torn(one)]
        if not RULES["size_needs_data"]:
            found += [kept + sizes[:n] for n in range(1, len(sizes) + 1)]
        return [*found, kept + loose]

    def _complete(self, thing, effects, variant, names):
        """Tell whether a file has what a rename over an existing name waits for."""
        if RULES["rename_over"] == "nothing":
            return True
        there = {id(one) for one in variant}
        for step in self.over(thing, names):
            for one in effects:
                waits = RULES["rename_over"] == "data" or one[1] != "data"
                if one[0] < step and waits and id(one) not in there:
                    return False
        return True

    def over(self, thing, names):
        """Give the steps at which a file took over an existing name."""
        before = {(d, name): t for d, entries in self.names.items() for name, t in entries.items()}
        for number, _, _, detail in names:
            for directory, name, target in detail:
                if target == thing and before.get((directory, name)) is not None:
                    yield number
                before[directory, name] = target


def torn(effect):
    """Give the parts of a page that may be there of it alone."""
    number, kind, thing, (start, data) = effect
    if RULES["torn"]:
        for cut in range(start - start % SECTOR + SECTOR, start + len(data), SECTOR):
            yield number, kind, thing, (start, data[: cut - start])


# -- the store, whatever its shape -----------------------------------------------------------------

MISSING = "absent"


class Checkpoint:
    """What a checkpoint manager is given to keep."""

    def __init__(self, value=b""):
        self.value = value

    def marshal(self):
        return zlib.crc32(self.value).to_bytes(4, "big") + self.value

    def unmarshal(self, blob):
        self.sum, self.value = int.from_bytes(blob[:4], "big"), bytes(blob[4:])

    def verify_checksum(self):
        if zlib.crc32(self.value) != self.sum:
            raise ValueError("checkpoint is corrupted")

    marshal_checkpoint, unmarshal_checkpoint = marshal, unmarshal


class Session:
    """The store in a directory, opened."""

    def __init__(self, base):
        self.store, self.generator = open_store(f"{base}/store"), None
        if inspect.isgenerator(self.store):
            self.generator = self.store
            self.store = next(self.generator)
        self.manager = hasattr(self.store, "create_checkpoint")
        self.mapping = not self.manager and not hasattr(self.store, "write")
        self.codec = getattr(open_store, "checkpoint", None)

    def write(self, key, value):
        if self.manager:
            made = self.codec.encode(value) if self.codec else Checkpoint(value)
            self.store.create_checkpoint(key, made)
        elif self.mapping:
            self.store[key] = value
        else:
            self.store.write(key, value)

    def delete(self, key):
        if self.manager:
            self.store.remove_checkpoint(key)
        elif self.mapping:
            del self.store[key]
        else:
            self.store.delete(key)

    def names(self):
        if self.manager:
            return list(self.store.list_checkpoints())
        return list(self.store) if self.mapping else list(self.store.list())

    def read(self, key):
        """Give the value, MISSING, or the exception as text."""
        not_found = getattr(open_store, "not_found", None) or (KeyError, FileNotFoundError)
        try:
            if self.manager:
                made = self.codec.empty() if self.codec else Checkpoint()
                self.store.get_checkpoint(key, made)
                return self.codec.decode(made) if self.codec else made.value
            return bytes(self.store[key] if self.mapping else self.store.read(key))
        except not_found:
            return MISSING
        except Exception as error:
            return f"raises {type(error).__name__}: {error}"

    def sync(self):
        getattr(self.store, getattr(open_store, "sync", None) or "", lambda: None)()

    def close(self):
        if self.generator is not None:
            next(self.generator, None)
        elif callable(getattr(self.store, "close", None)):
            self.store.close()


def perform(disk, base, operations, *, close=True):
    """Run operations; give each with the steps made when it began and when it returned."""
    done = []

    def timed(operation, call):
        began = len(disk.steps)
        call()
        done.append((operation, began, len(disk.steps)))

    session = None

    def opened():
        nonlocal session
        session = Session(base)

    timed(("open", None, None), opened)
    for operation in operations:
        kind, key, value = operation
        if kind == "write":
            timed(operation, lambda: session.write(key, value))
        elif kind == "delete":
            timed(operation, lambda: deleted(session, key))
        elif kind == "read":
            timed(operation, lambda: session.read(key))
        elif kind == "list":
            timed(operation, session.names)
        elif kind == "sync":
            timed(operation, session.sync)
        elif kind == "reopen":
            timed(operation, session.close)
            timed(operation, opened)
    if close:
        timed(("close", None, None), session.close)
    return done


def deleted(session, key):
    not_found = getattr(open_store, "not_found", None) or (KeyError, FileNotFoundError)
    try:
        session.delete(key)
    except not_found:
        pass


def keys_of(operations):
    return list(dict.fromkeys(one[1] for one in operations if one[1] is not None))


def values_of(key, setup, done, upto):
    """Give the values a key may have after a crash, and all that it ever had."""
    allowed, ever = {MISSING}, [MISSING]
    synced = getattr(open_store, "sync", None) is not None
    marks = [(operation, 0, 0) for operation in setup] + done
    last = max(
        (n for n, one in enumerate(marks) if one[0][0] == "sync" and one[2] <= upto), default=-1
    )
    for number, (operation, began, returned) in enumerate(marks):
        kind, of, value = operation
        if of != key or kind not in ("write", "delete") or began > upto:
            continue
        # While the steps do not tell, it had begun and may have done nothing yet.
        value = MISSING if kind == "delete" else value
        certain = returned <= upto and (not synced or number < last or number < len(setup))
        if certain:
            allowed = set()
            if number < len(setup):
                ever = []
        allowed.add(value)
        ever.append(value)
    return allowed, ever


def shown(image):
    dirs, files = image
    listed = ", ".join([f"{path}/" for path in dirs] + [f"{p}: {c[:40]!r}" for p, c in files])
    return f"the crash leaves {{{listed}}}"


# -- what must hold --------------------------------------------------------------------------------


class Judge:
    """Opens the store on what a crash left, once for each image, and says what is wrong."""

    def __init__(self, disk, guarantee, setup):
        self.disk, self.guarantee, self.setup = disk, guarantee, setup
        self.seen, self.used = {}, {}

    def look(self, image, keys):
        """Open, list and read: (what was raised, names, values)."""
        if image not in self.seen:
            base = lay_out(self.disk, image)
            try:
                session = Session(base)
                names = session.names()
            except Exception as error:
                self.seen[image] = f"{type(error).__name__}: {error}", [], {}, base
            else:
                read = {key: session.read(key) for key in keys}
                self.seen[image] = None, names, read, base
        return self.seen[image]

    def wrong(self, image, done, upto):
        """Say what the store shows on an image that it must not show after a crash there."""
        operations = [*self.setup, *(one[0] for one in done)]
        keys = keys_of(operations)
        raised, names, read, base = self.look(image, keys)
        if raised is not None:
            return f"opening raises {raised}" if self.guarantee == "recovery" else None
        if self.guarantee in ("atomicity", "durability"):
            return self.values(read, done, upto)
        if self.guarantee == "listing":
            missing = [key for key in names if read.get(key) == MISSING or key not in keys]
            unlisted = [key for key, v in read.items() if isinstance(v, bytes) and key not in names]
            if missing or unlisted or len(set(names)) < len(names):
                return f"list gives {sorted(names)}, reading gives {read}"
            return None
        if image not in self.used:
            self.used[image] = follow_up(base, keys, read, operations)
        return self.used[image]

    def values(self, read, done, upto):
        for key, value in read.items():
            allowed, ever = values_of(key, self.setup, done, upto)
            # What goes back to an older value of the key breaks durability, not atomicity.
            fine = allowed if self.guarantee == "durability" else [*allowed, *ever]
            if value not in fine:
                return f"{key!r} reads as {value!r}, where {[*allowed]} was possible"
        return None


def follow_up(base, keys, read, operations):
    """Recover again, write, read back, shut down, and open once more."""
    written = [one[2] for one in operations if one[2] is not None]
    given = getattr(open_store, "values", None) is not None and not isinstance(open_store, type)
    short, long = (written[0], written[-1]) if given else (b"follow-up", b"a longer one. " * 60)
    follow = {keys[0]: short, keys[-1]: long} if len(keys) > 1 else {keys[0]: short}
    try:
        session = Session(base)
        again = {key: session.read(key) for key in keys}
        if again != read:
            return f"a second recovery reads {again}, the first {read}"
        for key, value in follow.items():
            session.write(key, value)
        for key, value in follow.items():
            if session.read(key) != value:
                return f"a write after recovery reads back as {session.read(key)!r}"
        session.close()
        session = Session(base)
        later = {key: session.read(key) for key in keys}
    except Exception as error:
        return f"the recovered store does not work: {type(error).__name__}: {error}"
    wanted = {**again, **follow}
    return None if later == wanted else f"the next open reads {later}, not {wanted}"


def started(disk, setup, operations):
    """Run operations, watched, on a store that already holds something; give the run."""
    base = lay_out(disk, ((), ()))
    disk.listening = False
    if setup:
        perform(disk, base, setup)
    run = Run(disk, base)
    disk.listening = True
    try:
        done = perform(disk, base, operations)
    finally:
        disk.listening = False
    return run, done


def crash_everywhere(disk, guarantee, setup, operations):
    """Crash after each step of a run, and hold what the store shows against what it promised."""
    run, done = started(disk, setup, operations)
    judge = Judge(disk, guarantee, setup)
    for upto in range(len(disk.steps) + 1):
        for image in run.crash_states(upto):
            wrong = judge.wrong(image, done, upto)
            assert wrong is None, f"{where(done, upto)}: {shown(image)}; then {wrong}"


def crash_in_recovery(disk, setup, operations):
    """Crash, and crash again while the store recovers from that."""
    run, done = started(disk, setup, operations)
    judge = Judge(disk, "durability", setup)
    keys = keys_of([*setup, *operations])
    crashes = [(upto, i) for upto in range(len(disk.steps) + 1) for i in run.crash_states(upto)]
    recovered = {}
    for upto, image in crashes:
        raised, _, first, _ = judge.look(image, keys)
        if raised is not None:
            continue
        if image not in recovered:
            base = lay_out(disk, image)
            inner = Run(disk, base)
            disk.listening = True
            session = Session(base)
            session.names(), [session.read(key) for key in keys]
            disk.listening = False
            states = [one for n in range(len(disk.steps) + 1) for one in inner.crash_states(n)]
            recovered[image] = list(dict.fromkeys(states))
        for second in recovered[image]:
            raised, _, read, _ = judge.look(second, keys)
            bad = {} if raised else {k: v for k, v in read.items() if v != first[k]}
            wrong = raised or judge.values(bad, done, upto)
            assert not wrong, (
                f"{where(done, upto)}: {shown(image)}; a crash in recovery: {shown(second)}; "
                f"then {wrong}"
            )


def power_cut_after_kill(disk, guarantee, setup, operations):
    """Kill the process, let another one recover and write, and cut the power."""
    keys = keys_of([*setup, *operations])
    after = [("list", None, None), *(("read", key, None) for key in keys)]
    after.append(("write", keys[0], b"follow-up"))
    _, done = started(disk, setup, operations)
    for killed in range(1, len(disk.steps) + 1):
        run, done = started(disk, setup, operations)
        base = run.successor(killed)
        disk.listening = True
        try:
            more = perform(disk, base, after, close=False)
        finally:
            disk.listening = False
        # What was cut off may have happened or not, for ever after.
        done = [(o, b, r if r <= killed else 1 << 60) for o, b, r in done if b < killed] + more
        judge = Judge(disk, guarantee, setup)
        for upto in range(killed + 1, len(disk.steps) + 1):
            for image in run.crash_states(upto):
                wrong = judge.wrong(image, done, upto)
                assert wrong is None, (
                    f"killed after step {killed}, then {where(done, upto)}: {shown(image)}; "
                    f"then {wrong}"
                )


def where(done, upto):
    """Say where a crash strikes."""
    for (kind, key, _), began, returned in done:
        if began <= upto < returned:
            return f"a crash after step {upto}, in {kind}({key!r})"
    return f"a crash after step {upto}"


def fail_everywhere(disk, calls, error, part, setup, operations):
    """Let one call after the other fail, and hold the store to what it then says and does."""
    for number in range(200):
        disk.failed, disk.failing, disk.part = False, None, part
        base = lay_out(disk, ((), ()))
        disk.listening = False
        perform(disk, base, setup)
        run = Run(disk, base)
        session, done = Session(base), []
        disk.listening = True
        values = {}
        for kind, key, value in setup:
            if kind in ("write", "delete"):
                values[key] = MISSING if kind == "delete" else value
        planned = calls, number, error
        for kind, key, value in operations:
            if kind not in ("write", "delete"):
                continue
            old, new = values.get(key, MISSING), MISSING if kind == "delete" else value
            began, raised = len(disk.steps), False
            act = (
                (lambda: session.write(key, value))
                if kind == "write"
                else (lambda: deleted(session, key))
            )
            disk.failing = planned
            try:
                act()
            except Exception:
                raised = True
            planned, disk.failing = disk.failing, None
            place = f"call {number} of {calls} fails in {kind}({key!r})"
            read = session.read(key)
            if raised:
                assert disk.failed, f"{kind}({key!r}) raises with no fault"
                assert read in (old, new), f"{place}; it raises, and {key!r} reads as {read!r}"
                anew = opened_anew(disk, run, key)
                assert anew == read, f"{place}; it reads as {read!r}, in a new process as {anew!r}"
                act()
                read, anew = session.read(key), opened_anew(disk, run, key)
                assert read == new == anew, (
                    f"{place}; tried again, it reads as {read!r} or {anew!r}"
                )
            else:
                assert read == new, f"{place}; it returns, and {key!r} reads as {read!r}"
            done.append(((kind, key, value), began, len(disk.steps)))
            values[key] = new
            if disk.failed:
                break
        disk.listening = False
        if not disk.failed:
            return
        judge = Judge(disk, "durability", setup)
        for image in run.crash_states(len(disk.steps)):
            wrong = judge.wrong(image, done, len(disk.steps))
            assert wrong is None, f"{place}; then a power cut, {shown(image)}: {wrong}"


def opened_anew(disk, run, key):
    """Read a key as a new process would, on a copy: opening may put right what is not."""
    disk.listening = False
    try:
        return Session(lay_out(disk, run.image(run.effects()))).read(key)
    finally:
        disk.listening = True


def damage_everything(disk, kind, setup, operations, renamed=None, under=None):
    """Damage what is stored, one piece at a time; a value must be one that was written."""
    everything = [*setup, *operations]
    run, _ = started(disk, [], everything)
    image = run.image(run.effects())
    older_run, _ = started(disk, [], everything[:-1])
    older = dict(older_run.image(older_run.effects())[1])
    keys = list(dict.fromkeys([*keys_of(everything), *([under] if under else [])]))
    for path, content in damaged(kind, dict(image[1]), older):
        files = {**dict(image[1]), path: content}
        if kind in ("renamed", "missing"):
            del files[path]
        if kind == "renamed":
            files[renamed] = content
        base = lay_out(disk, (image[0], tuple(sorted(files.items()))))
        try:
            session = Session(base)
        except Exception:
            continue  # noticed
        for key in keys:
            read = session.read(key)
            ever = [one[2] for one in everything if one[:2] == ("write", key)]
            noticed = read == MISSING or not isinstance(read, bytes)
            assert noticed or read in ever, (
                f"{path} {kind}, now {content[:40]!r}: {key!r} reads as {read!r}"
            )


def damaged(kind, files, older):
    """Give each file with one piece of damage of a kind."""
    for path, content in files.items():
        size = len(content)
        if kind in ("renamed", "missing"):
            yield path, content
            continue
        ends = range(SECTOR, size + SECTOR, SECTOR)
        if kind == "flipped":
            for bit in range(8 * size):
                byte = content[bit // 8] ^ 1 << bit % 8
                yield path, content[: bit // 8] + bytes([byte]) + content[bit // 8 + 1 :]
        elif kind == "cut":
            for length in range(size):
                yield path, content[:length]
        elif kind == "garbage":
            for length in (1, 8, SECTOR):
                yield path, content + bytes(n * 73 % 256 for n in range(1, length + 1))
        elif kind in ("zeroed", "garbled"):
            for end in ends:
                part = content[end - SECTOR : end]
                new = bytes(len(part)) if kind == "zeroed" else bytes(255 - b for b in part)
                yield path, content[: end - SECTOR] + new + content[end:]
        elif kind == "deleted":
            for start in range(size):
                for end in range(start + 1, size + 1):
                    yield path, content[:start] + content[end:]
        elif kind == "stale":
            old = older.get(path, b"")
            for end in ends:
                yield path, content[: end - SECTOR] + old[end - SECTOR : end] + content[end:]
        elif kind == "old tail":
            yield path, content + older.get(path, b"")[size:]
        else:
            for other, foreign in files.items():
                if other != path:
                    yield path, foreign
