"""Crash states by definition: every subset at every position, kept or dropped by the rules' text.

Slow and simple on purpose. It shares nothing with `harness.explore` but the constraints given.
"""

from collections import defaultdict

from harness.image import ROOT
from harness.persistence.effects import Cut, Data, Name, Size, Tail

PAGE, SECTOR = 4096, 512
ROOM = 16 * PAGE
"""Bytes of a file that a trace may reach."""


def lifts(nodes, position):
    """Tell whether an fsync may bring something ahead of others at a position."""
    return any(until == position for node in nodes for _, until in node.needs_until)


def closed(nodes, chosen, position):
    for number in chosen:
        node = nodes[number]
        if not node.needs <= chosen:
            return False
        if any(position < until and other not in chosen for other, until in node.needs_until):
            return False
    return True


def sets_at(nodes, position):
    """Yield each set of nodes that a crash at a position may leave on disk."""
    issued = [n for n, node in enumerate(nodes) if node.call <= (position + 1) // 2]
    ahead = lifts(nodes, position)
    seen = set()
    # Before what an fsync brings is there its needs still hold; then all of it is there at once.
    for extra, at in ((0, position - 1 if ahead else position), (1, position))[: 1 + ahead]:
        certain = frozenset(n for n in issued if nodes[n].durable <= position + extra)
        free = [n for n in issued if n not in certain]
        for bits in range(1 << len(free)):
            chosen = certain | {n for k, n in enumerate(free) if bits >> k & 1}
            if chosen not in seen and closed(nodes, chosen, at):
                seen.add(chosen)
                yield chosen, at


def everything_below(nodes, number, position):
    found, pending = set(), [number]
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending += nodes[one].needs
            pending += [o for o, until in nodes[one].needs_until if position < until]
    return found


def tears(model, nodes, chosen, position):
    """Yield (node, cut) for each page that may be half written in a set."""
    if not model.torn:
        return
    issued = [n for n, node in enumerate(nodes) if node.call <= (position + 1) // 2]
    pages = {}
    for n in issued:
        effect = nodes[n].effects[0]
        if isinstance(effect, Data) and n not in chosen:
            pages.setdefault((effect.ino, effect.start // PAGE), []).append(n)
    for versions in pages.values():
        for k, version in enumerate(versions):
            if k and model.order != "free":
                continue  # what was written first is on disk first
            missing = versions[: k + 1]
            below = everything_below(nodes, version, position) - {version} - chosen
            if below - (set(versions) if model.order == "free" else set()):
                continue
            start = nodes[version].effects[0].start
            end = max(nodes[n].effects[0].end for n in missing)
            for cut in range((start // SECTOR + 1) * SECTOR, end, SECTOR):
                yield version, cut


def paint(constraints, chosen, torn):
    """Build the image of a set: files and directories by path."""
    base, nodes = constraints.effects.base, constraints.nodes
    names = {ino: dict(entries) for ino, entries in base.directories.items()}
    for ino in constraints.effects.directories:
        names.setdefault(ino, {})
    data = defaultdict(lambda: bytearray(ROOM))
    for ino, content in base.contents.items():
        data[ino][: len(content)] = content
    size = {ino: len(content) for ino, content in base.contents.items()}
    targets = {**base.targets, **constraints.effects.targets}
    for n, node in enumerate(nodes):
        for effect in node.effects:
            if n in chosen:
                match effect:
                    case Name(directory=directory, name=name, ino=None):
                        names[directory].pop(name, None)
                    case Name(directory=directory, name=name, ino=ino):
                        names[directory][name] = ino
                    case Data(ino=ino, start=start, data=written):
                        data[ino][start : start + len(written)] = written
                    case Size(ino=ino):
                        size[ino] = effect.size
                    case Cut(ino=ino):
                        size[ino] = effect.size
                        kept = -(-effect.size // PAGE) * PAGE
                        data[ino][kept:] = bytes(ROOM - kept)
                    case Tail(ino=ino, start=start):
                        end = (start // PAGE + 1) * PAGE
                        data[ino][start:end] = bytes(end - start)
            elif torn and n <= torn[0]:
                half = nodes[torn[0]].effects[0]
                first = node.effects[0]
                if not (
                    isinstance(first, Data)
                    and (first.ino, first.start // PAGE) == (half.ino, half.start // PAGE)
                ):
                    continue
                if isinstance(effect, Data) and first.start < torn[1]:
                    written = first.data[: torn[1] - first.start]
                    data[first.ino][first.start : first.start + len(written)] = written
                if isinstance(effect, Size):
                    size[first.ino] = max(size.get(first.ino, 0), min(torn[1], effect.size))
    files, dirs, links = {}, [], {}

    def walk(ino, prefix):
        for name, child in names[ino].items():
            if child in names:
                dirs.append(prefix + name)
                walk(child, f"{prefix}{name}/")
            elif child in targets:
                links[prefix + name] = targets[child]
            else:
                files[prefix + name] = bytes(data[child][: size.get(child, 0)])

    walk(ROOT, "")
    return tuple(sorted(files.items())), tuple(sorted(dirs)), tuple(sorted(links.items()))


def crash_states(constraints):
    """Map each (set, torn page) to the positions at which a crash can leave it."""
    found = {}
    for position in range(2 * constraints.effects.calls + 1):
        for chosen, at in sets_at(constraints.nodes, position):
            found.setdefault((chosen, None), set()).add(position)
            for torn in tears(constraints.model, constraints.nodes, chosen, max(at, position)):
                found.setdefault((chosen, torn), set()).add(position)
    return found
