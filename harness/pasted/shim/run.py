"""A run on the watched disk, and what a crash may leave of it."""

from __future__ import annotations

import itertools

from pyfakefs.fake_file import FakeDirectory

from harness.pasted.shim.disk import MOST, PAGE, SECTOR, is_link, lay_out

RULES: dict = {}

# -- below this line everything goes into the test
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
            elif step[0] == "bytes" and not is_link(self.disk.things[step[1]]):
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
                elif is_link(self.disk.things[thing]):  # never without its target
                    files.append((prefix + name, self.disk.things[thing].contents))
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
