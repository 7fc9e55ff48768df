"""A persistence model: which sets of effects may be on disk after a power cut.

A model is a row of switches; `constrain` turns the effects of a trace into a partial order by them:

- *nodes*: effects that reach the disk together (one node is an atomic group),
- *needs*: which nodes must be durable before which; some only until a given position, because an
  fsync may bring one file's name ahead of the transaction that holds the names before it,
- *durable*: from which position on a node is certain to be on disk.

A crash state at a position is any set of the nodes issued so far that holds all the durable ones
and is closed under the needs. Positions are half calls: 2n is between call n and call n + 1, when n
calls have returned; 2n - 1 is in the middle of call n. In the middle of an fsync that brings names
ahead of others, what it brings is there as a whole, and then ahead of them, or it is not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from harness.persistence.effects import PAGE, Cut, Data, Effect, Effects, Name, Size, Tail

__all__ = ["NEVER", "SECTOR", "Constraints", "Loss", "Model", "Node", "Rule", "constrain"]

NEVER: Final = 1 << 60
"""A position after every trace's end."""

SECTOR: Final = 512
"""Bytes a disk writes or does not write, never half."""


Loss: TypeAlias = Literal[
    "name",  # a name, all later ones with it
    "name ahead",  # a name or a cut, though a later name is on disk
    "cut",  # a truncation
    "tail",  # the zeroing of the page a truncation ends in
    "content",  # data and the size that would show it, or the size alone
    "zeros",  # newly allocated data, though the size that shows it is on disk
    "overwrite",  # data over older data
    "replaced",  # content of a file whose rename over an existing name is on disk
    "renamed",  # the same for a rename onto a fresh name
    "torn",  # part of a page
]
"""Kinds of loss that a rule can allow."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a model's rule table: what it allows or promises, and who says so.

    Attributes:
        text: The rule.
        source: A paper, a kernel function, or a measured outcome.
        allows: Kinds of loss that this rule is the reason for.
    """

    text: str
    source: str
    allows: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """One row of switches.

    Attributes:
        name: What ``--profile`` calls it.
        title: What it stands for, in a few words.
        rules: The switches in words, each with its source.
        order: ``effects``: the effects reach the disk in the order they were issued;
            ``returned``: the same, and all of a returned call is there (the kernel lives on);
            ``free``: only the switches below order them.
        names: ``journal``: names and cuts are logged in order, and any fsync brings all of them;
            ``log-tree``: in order too, but an fsync brings only what it names, ahead of the others;
            ``independent``: each name by itself.
        size_needs_data: A size that shows newly allocated bytes comes after the last page of them.
        mapped_tail_free: ... but growing inside the last block that is already mapped does not.
        rename_over: What must be complete in a file before it takes over an existing name.
        close_after_cut: The same for a file that was cut to nothing, rewritten and closed, and
            any name changed later.
        cut_tail: Whether the rest of the page that a cut ends in is zeroed with the cut, or as data
            of its own at any later time.
        torn: Whether a page may be written in part, at a sector boundary.
        failed_fsync: What a failed fsync does to the memory: ``clean``: the pages stay and count as
            written, so that the next fsync succeeds and brings nothing; ``revert``: they go back to
            what is on disk (Rebello et al., ATC'20, section 3).
    """

    name: str
    title: str
    rules: tuple[Rule, ...] = ()
    order: Literal["free", "effects", "returned"] = "free"
    names: Literal["journal", "log-tree", "independent"] = "independent"
    size_needs_data: bool = False
    mapped_tail_free: bool = False
    rename_over: Literal["nothing", "size", "data"] = "nothing"
    close_after_cut: Literal["nothing", "size", "data"] = "nothing"
    cut_tail: Literal["with-cut", "data"] = "with-cut"
    torn: bool = True
    failed_fsync: Literal["clean", "revert"] = "clean"


@dataclass(slots=True)
class Node:
    """Effects that reach the disk together.

    Attributes:
        call: The call that issued them.
        effects: The effects, in order.
        needs: The nodes that must be durable before this one, by number; all issued before it.
        needs_until: Further such nodes, each with the position from which it no longer need be:
            the middle of the fsync that brings this node and all else it brings at once, ahead of
            the transaction (fs/btrfs/tree-log.c btrfs_sync_log() commits a log tree as a whole).
        durable: First position at which the node is certain to be on disk.
    """

    call: int
    effects: tuple[Effect, ...]
    needs: set[int] = field(default_factory=set)
    needs_until: list[tuple[int, int]] = field(default_factory=list)
    durable: int = NEVER


@dataclass(slots=True)
class Constraints:
    """A trace's nodes under one model, in the order they were issued."""

    model: Model
    effects: Effects
    nodes: list[Node]


def constrain(effects: Effects, model: Model) -> Constraints:
    """Order the effects of a trace by the rules of a model."""
    builder = _Builder(effects, model)
    builder.group()
    builder.slots()
    if model.order == "free":
        builder.names()
        builder.sizes()
        builder.published()
        builder.synced()
        builder.transactions()
    else:
        builder.in_order()
    return Constraints(model, effects, builder.nodes)


class _Builder:
    def __init__(self, effects: Effects, model: Model) -> None:
        self.effects = effects
        self.model = model
        self.nodes: list[Node] = []
        self.node_of: dict[int, int] = {}  # id(effect) -> node

    # -- atomic groups -------------------------------------------------------------------------

    def group(self) -> None:
        """Merge the effects of each call that reach the disk together."""
        by_call: dict[int, list[Effect]] = defaultdict(list)
        for effect in self.effects.effects:
            by_call[effect.call].append(effect)
        for call in sorted(by_call):
            for group in self._groups(by_call[call]):
                for effect in group:
                    self.node_of[id(effect)] = len(self.nodes)
                self.nodes.append(Node(call, tuple(group)))

    def _groups(self, effects: list[Effect]) -> list[list[Effect]]:
        first = effects[0]
        if isinstance(first, Name):
            return self._name_groups(effects)
        if isinstance(first, Cut):
            if self.model.order == "free" and self.model.cut_tail == "data":
                return [[effect] for effect in effects]
            return [effects]
        if self.model.order == "free":
            # Data before the size of the same page, so that needs always point backwards.
            return [[effect] for effect in effects]
        groups: list[list[Effect]] = []
        for effect in effects:
            if isinstance(effect, Size) and groups and isinstance(groups[-1][-1], Data):
                groups[-1].append(effect)
            else:
                groups.append([effect])
        return groups

    def _name_groups(self, effects: list[Effect]) -> list[list[Effect]]:
        if len(effects) == 1:
            return [effects]
        added, removed = effects
        assert isinstance(added, Name)
        assert isinstance(removed, Name)
        # A rename inside a directory is one entry changed twice in one transaction everywhere;
        # between two it is one transaction where names are journalled, and under `log-tree`
        # too until an fsync of one side splits it (fs-outcomes L13, btrfs: both names).
        together = (
            added.directory == removed.directory
            or self.model.names == "journal"
            or self.model.order != "free"
        )
        return [effects] if together else [[added], [removed]]

    # -- needs ---------------------------------------------------------------------------------

    def _need(self, node: int, other: int) -> None:
        if other != node:
            self.nodes[node].needs.add(other)

    def slots(self) -> None:
        """Chain the versions of each slot: the page cache holds only the newest."""
        last: dict[tuple[object, ...], int] = {}
        pages: dict[int, set[int]] = defaultdict(set)
        for number, node in enumerate(self.nodes):
            for effect in node.effects:
                slots: list[tuple[object, ...]] = []
                match effect:
                    case Tail() if isinstance(node.effects[0], Cut):
                        pass  # zeroes whatever version of the page is there
                    case Data(ino=ino) | Tail(ino=ino):
                        slots.append(("page", ino, effect.page))
                        pages[ino].add(effect.page)
                    case Size(ino=ino):
                        slots.append(("size", ino))
                    case Cut(ino=ino, size=size):
                        slots.append(("size", ino))
                        # Pages that are cut off, written before or not: a later write to one
                        # goes to a new block, which only the cut makes room for. What is left of
                        # the last page is shown by the new size, as by any other.
                        slots.append(("cut", ino))
                        first = size // PAGE if self.model.size_needs_data else -(-size // PAGE)
                        slots += [("page", ino, page) for page in pages[ino] if page >= first]
                    case Name(directory=directory, name=name):
                        slots.append(("name", directory, name))
                if isinstance(effect, Data | Tail) and ("cut", effect.ino) in last:
                    self._need(number, last["cut", effect.ino])
                for slot in slots:
                    if slot in last:
                        self._need(number, last[slot])
                    if not (isinstance(effect, Size) and self.model.size_needs_data):
                        # A size that waits for its own data does not wait for that of a smaller
                        # one (measured L1: zeros 8192, N 2048): it only follows the last cut.
                        last[slot] = number

    def in_order(self) -> None:
        """Every node after the one issued before it."""
        syncs = [sync.call for sync in self.effects.syncs]
        for number, node in enumerate(self.nodes):
            node.needs = {number - 1} if number else set()
            if self.model.order == "returned":
                node.durable = 2 * node.call
                continue
            following = bisect_left(syncs, node.call)
            if following < len(syncs):
                node.durable = 2 * syncs[following]

    def names(self) -> None:
        """Names and cuts in the order of the log."""
        if self.model.names == "independent":
            self._never_neither()
            return
        previous: int | None = None
        for number, node in enumerate(self.nodes):
            if isinstance(node.effects[0], Name | Cut):
                if previous is not None and self.model.names == "journal":
                    self._need(number, previous)
                previous = number
        if self.model.names == "log-tree":
            self._never_neither()

    def transactions(self) -> None:
        """Names and cuts in order until an fsync brings one ahead of those before it."""
        if self.model.names != "log-tree":
            return
        # Whoever needs a name needs all before it, and still does once that one alone was brought
        # ahead; so each needs, going back, every one that is brought later than those between.
        ahead: list[int] = []
        for number, node in enumerate(self.nodes):
            if isinstance(node.effects[0], Name | Cut):
                for other in ahead:
                    self._need_until_ahead(number, other)
                while ahead and self.nodes[ahead[-1]].durable <= node.durable:
                    ahead.pop()
                ahead.append(number)
        for added, removed in self._split_renames():
            self._need_until_ahead(added, removed)

    def _need_until_ahead(self, number: int, other: int) -> None:
        """Let a node need another, until an fsync brings the one without the other."""
        node = self.nodes[number]
        ahead = node.durable < self.nodes[other].durable
        node.needs_until.append((other, node.durable - 1 if ahead else NEVER))

    def _split_renames(self) -> list[tuple[int, int]]:
        """Renames whose two sides are nodes of their own: (node that adds, node that removes)."""
        pairs = []
        for number, node in enumerate(self.nodes[1:], 1):
            before = self.nodes[number - 1]
            if (
                isinstance(node.effects[0], Name)
                and before.call == node.call
                and node.call in self.effects.renames
            ):
                pairs.append((number - 1, number))
        return pairs

    def _never_neither(self) -> None:
        for added, removed in self._split_renames():
            self._need(removed, added)

    def sizes(self) -> None:
        """Sizes after the data they show, where the file system orders them."""
        if not self.model.size_needs_data:
            return
        data: dict[tuple[int, int], int] = {}
        for number, node in enumerate(self.nodes):
            effect = node.effects[0]
            if isinstance(effect, Data):
                if effect.fresh or not self.model.mapped_tail_free:
                    data[effect.ino, effect.page] = number
                else:
                    data.pop((effect.ino, effect.page), None)
            elif isinstance(effect, Size):
                shown = data.get((effect.ino, (effect.size - 1) // PAGE))
                if shown is not None and self.nodes[shown].call == node.call:
                    self._need(number, shown)

    def published(self) -> None:
        """What a rename over an existing name, or a close after a cut, makes complete first."""
        over, closed = self.model.rename_over, self.model.close_after_cut
        if over == closed == "nothing":
            return
        sizes: dict[int, list[int]] = defaultdict(list)  # the nodes that complete a file's size
        data: dict[int, list[int]] = defaultdict(list)  # ... and those that complete its data too
        emptied: set[int] = set()
        pending: set[int] = set()  # nodes that the next name needs
        closes: dict[int, list[int]] = defaultdict(list)
        for call, ino in self.effects.closes:
            closes[call].append(ino)
        by_call: dict[int, list[int]] = defaultdict(list)
        for number, node in enumerate(self.nodes):
            by_call[node.call].append(number)
        for call in sorted(by_call.keys() | closes.keys()):
            for number in by_call.get(call, ()):
                effect = self.nodes[number].effects[0]
                match effect:
                    case Size(ino=ino):
                        sizes[ino].append(number)
                        data[ino].append(number)
                    case Data(ino=ino):
                        data[ino].append(number)
                    case Cut(ino=ino, size=0):
                        emptied.add(ino)
                        sizes[ino], data[ino] = [], []
                    case Name():
                        # Names are in a chain, so the next one carries it to all later ones.
                        self.nodes[number].needs |= pending
                        pending = set()
                        moved, replaced = self.effects.renames.get(call, (0, None))
                        if over != "nothing" and replaced is not None:
                            waited = data if over == "data" else sizes
                            self.nodes[number].needs.update(waited[moved])
            for ino in closes.get(call, ()):
                if closed != "nothing" and ino in emptied:
                    pending.update((data if closed == "data" else sizes)[ino])
                    emptied.discard(ino)

    # -- durability ----------------------------------------------------------------------------

    def synced(self) -> None:
        """Mark what each returned sync call made durable."""
        journal = self.model.names == "journal"
        waiting: dict[int, list[int]] = defaultdict(list)  # inode -> nodes its fsync will bring
        logged: list[int] = []  # names and cuts that the next log force will bring
        issued = 0
        for sync in self.effects.syncs:
            while issued < len(self.nodes) and self.nodes[issued].call < sync.call:
                for ino in self._carriers(self.nodes[issued]):
                    waiting[ino].append(issued)
                if isinstance(self.nodes[issued].effects[0], Name | Cut):
                    logged.append(issued)
                issued += 1
            if sync.ino is None:
                brought = [number for numbers in waiting.values() for number in numbers] + logged
                waiting.clear()
            else:
                brought = waiting.pop(sync.ino, [])
            if journal and (
                sync.ino is None or not (sync.data_only and self._overwrites_only(brought))
            ):
                brought = brought + logged
                logged = []
            for number in self._with_needs(brought):
                node = self.nodes[number]
                node.durable = min(node.durable, 2 * sync.call)

    def _carriers(self, node: Node) -> set[int]:
        """Inodes, of files or directories, whose fsync brings a node."""
        carriers = set()
        for effect in node.effects:
            if isinstance(effect, Name):
                carriers.add(effect.directory)
                # A file's log item brings its own names; that of a directory only the entries in
                # it, not its name in its parent (fs/btrfs/tree-log.c log_new_dir_dentries()).
                if (
                    self.model.names == "log-tree"
                    and effect.subject not in self.effects.directories
                ):
                    carriers.add(effect.subject)
            else:
                carriers.add(effect.ino)
        return carriers

    def _with_needs(self, numbers: list[int]) -> set[int]:
        """Add to some nodes all that they lastingly need."""
        found: set[int] = set()
        pending = list(numbers)
        while pending:
            number = pending.pop()
            if number not in found:
                found.add(number)
                # A durable node's needs were made durable with it: no need to go behind it.
                if self.nodes[number].durable == NEVER:
                    pending += self.nodes[number].needs
        return found

    def _overwrites_only(self, brought: list[int]) -> bool:
        """Tell whether an fdatasync found only overwrites, for which no log is forced.

        ext4_sync_file() and xfs_file_fsync() commit the log for datasync only if the inode has
        changed in a way that reading its data back needs: its size, its blocks.
        """
        return all(
            isinstance(effect, Data) and not effect.fresh
            for number in brought
            for effect in self.nodes[number].effects
        )
