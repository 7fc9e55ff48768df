"""From sets of nodes to disk images.

Nodes that are on disk in every state from now on are folded into a settled base, so that a long
trace costs no more per state than a short one. Trees and file contents are remembered by the nodes
that shape them: most states differ in one of the two only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from harness.explore.fingerprints import Fingerprints, Torn
from harness.image import DIRECTORY, FILE, ROOT, SYMLINK, Image
from harness.persistence.effects import PAGE, Cut, Data, Effect, Name, Size, Tail
from harness.persistence.model import Constraints

__all__ = ["ImageKey", "Painter", "Torn", "View"]

ImageKey: TypeAlias = tuple[int, ...]
"""Equal for equal images, in one process: the hash of the tree, then of each file's content."""


class _Tree(NamedTuple):
    """What the name nodes of a state make of the directories."""

    directories: dict[int, dict[str, int]]
    files: tuple[int, ...]
    shape: int
    links: dict[int, int]


class _File:
    """A file's settled bytes, and the nodes that may change them."""

    __slots__ = ("applied", "bits", "buffer", "nodes", "prints", "size", "size_bits")

    def __init__(self, content: bytes) -> None:
        self.buffer = content
        self.size = len(content)
        self.nodes: list[int] = []
        self.applied = 0
        self.bits = 0  # of the window's nodes that change it
        self.size_bits = 0  # of those that change its size
        self.prints: Fingerprints | None = None  # how to tell its states apart; of one window


class View:
    """The image of a crash state as a boot source, of which only what is asked for is built.

    Attributes:
        files: Inodes whose content was asked.
        sizes: Inodes whose size was asked: with the names, all that answers depended on.
    """

    __slots__ = ("_painter", "_taken", "_torn", "files", "sizes", "tree")

    def __init__(self, painter: Painter, tree: _Tree, taken: int, torn: Torn | None) -> None:
        self._painter = painter
        self.tree = tree
        self._taken = taken
        self._torn = torn
        self.files: set[int] = set()
        self.sizes: set[int] = set()

    def entries(self, ino: int) -> Mapping[str, int]:
        return self.tree.directories[ino]

    def lookup(self, ino: int, name: str) -> int | None:
        return self.tree.directories[ino].get(name)

    def kind(self, ino: int) -> int:
        if ino in self.tree.directories:
            return DIRECTORY
        return SYMLINK if ino in self._painter.targets else FILE

    def mode(self, ino: int) -> int:
        return self._painter.modes.get(ino, 0o755 if ino in self.tree.directories else 0o644)

    def size(self, ino: int) -> int:
        self.sizes.add(ino)
        return self._painter.size(ino, self._taken, self._torn)

    def content(self, ino: int) -> bytes:
        self.files.add(ino)
        return self._painter.content(ino, self._taken, self._torn)

    def read(self, ino: int, offset: int, count: int) -> bytes:
        return self.content(ino)[offset : offset + count]

    def target(self, ino: int) -> str:
        return self._painter.targets[ino]

    def links(self, ino: int) -> int:
        return self.tree.links.get(ino, 1)

    def first_free(self) -> int:
        return self.image().first_free()

    def image(self) -> Image:
        """Build all of it."""
        return self._painter.image(self._taken, self._torn)

    def bits(self) -> int:
        """Give the nodes of the window that the answers so far can have depended on."""
        return self._painter.bits(self.files, self.sizes)


class Painter:
    """Builds the images of one trace's crash states.

    Args:
        constraints: The trace's nodes.

    Attributes:
        targets: Target of each symbolic link there ever was.
        modes: Permission bits of each inode that has other than the usual ones.
    """

    def __init__(self, constraints: Constraints) -> None:
        self._constraints = constraints
        self._nodes = constraints.nodes
        effects = constraints.effects
        base = effects.base
        self._offset = 0
        self._issued = 0
        self._directories = {ino: dict(names) for ino, names in base.directories.items()}
        for ino in effects.directories:
            self._directories.setdefault(ino, {})
        self.targets = {**base.targets, **effects.targets}
        self.modes = {**base.modes, **effects.modes}
        self._files: dict[int, _File] = defaultdict(lambda: _File(b""))
        for ino, content in base.contents.items():
            self._files[ino] = _File(content)
        self._name_nodes: list[int] = []
        self._names_applied = 0
        for number, node in enumerate(self._nodes):
            for effect in node.effects:
                if isinstance(effect, Name):
                    if not self._name_nodes or self._name_nodes[-1] != number:
                        self._name_nodes.append(number)
                else:
                    numbers = self._files[effect.ino].nodes
                    if not numbers or numbers[-1] != number:
                        numbers.append(number)
        self._name_bits = 0
        self._trees: dict[int, _Tree] = {}
        self._contents: dict[tuple[int, int, Torn | None], bytes] = {}
        self._remembered = 0

    def settle(self, offset: int, issued: int) -> None:
        """Move on to a window: nodes below ``offset`` are on disk, those from ``issued`` are not.

        Raises:
            ValueError: The window lies before the current one; a new painter is needed.
        """
        if offset < self._offset:
            raise ValueError("windows only move forward")
        if (offset, issued) == (self._offset, self._issued):
            return
        if offset > self._offset:
            self._settle_names(offset)
            self._trees.clear()
            self._contents.clear()
            self._offset = offset
        self._issued = issued
        self._name_bits = self._window_bits(self._name_nodes, self._names_applied)
        for file in self._files.values():
            file.bits = file.size_bits = 0
            file.prints = None
        for number in range(offset, issued):
            for effect in self._nodes[number].effects:
                if not isinstance(effect, Name):
                    file = self._files[effect.ino]
                    file.bits |= 1 << (number - offset)
                    if isinstance(effect, Size | Cut):
                        file.size_bits |= 1 << (number - offset)

    def _settle_names(self, offset: int) -> None:
        applied = bisect_left(self._name_nodes, offset, self._names_applied)
        if applied == self._names_applied:
            return
        # Copies: images handed out share the directories as they were.
        self._directories = {ino: dict(names) for ino, names in self._directories.items()}
        for number in self._name_nodes[self._names_applied : applied]:
            self._apply_names(self._directories, number)
        self._names_applied = applied

    @property
    def window(self) -> tuple[int, int]:
        """The current window: its offset, and the number of nodes issued by then."""
        return self._offset, self._issued

    def _window_bits(self, numbers: list[int], start: int) -> int:
        bits = 0
        for number in numbers[start:]:
            if number >= self._issued:
                break
            bits |= 1 << (number - self._offset)
        return bits

    def key(self, taken: int, torn: Torn | None) -> ImageKey:
        """Identify the image of a set of nodes of the current window."""
        tree = self._tree(taken)
        return (tree.shape, *[self._fingerprint(ino, taken, torn) for ino in tree.files])

    def image(self, taken: int, torn: Torn | None) -> Image:
        """Build the image of a set of nodes of the current window."""
        tree = self._tree(taken)
        contents = {ino: self.content(ino, taken, torn) for ino in tree.files}
        return Image(tree.directories, contents, self.targets, self.modes, tree.links)

    def view(self, taken: int, torn: Torn | None) -> View:
        """Look at the image of a set of nodes without building it; until the window moves on."""
        return View(self, self._tree(taken), taken, torn)

    def bits(self, files: Iterable[int], sizes: Iterable[int]) -> int:
        """Give the nodes of the current window that shape the names, some files, some sizes."""
        bits = self._name_bits
        for ino in files:
            bits |= self._files[ino].bits
        for ino in sizes:
            bits |= self._files[ino].size_bits
        return bits

    def torn_file(self, torn: Torn) -> tuple[int, bool]:
        """Give the inode of the file that a torn page is in, and whether its size is torn too."""
        effects = self._nodes[torn.node].effects
        assert isinstance(effects[0], Data)
        return effects[0].ino, len(effects) > 1

    # -- names ---------------------------------------------------------------------------------

    def _apply_names(self, directories: dict[int, dict[str, int]], number: int) -> None:
        for effect in self._nodes[number].effects:
            if isinstance(effect, Name):
                if effect.ino is None:
                    directories[effect.directory].pop(effect.name, None)
                else:
                    directories[effect.directory][effect.name] = effect.ino

    def _tree(self, taken: int) -> _Tree:
        bits = taken & self._name_bits
        tree = self._trees.get(bits)
        if tree is None:
            directories = self._directories
            if bits:
                directories = {ino: dict(names) for ino, names in directories.items()}
                for number in self._name_nodes[self._names_applied :]:
                    if number >= self._issued:
                        break
                    if bits >> (number - self._offset) & 1:
                        self._apply_names(directories, number)
            tree = self._trees[bits] = self._survey(directories)
        return tree

    def _survey(self, directories: dict[int, dict[str, int]]) -> _Tree:
        """Walk what can be reached; an inode under two names counts as itself both times."""
        shape: list[object] = []
        files: dict[int, int] = {}
        links: dict[int, int] = {}
        reached: dict[int, dict[str, int]] = {}
        pending: list[tuple[str, int, tuple[int, ...]]] = [("", ROOT, (ROOT,))]
        while pending:
            prefix, ino, above = pending.pop()
            names = reached[ino] = directories[ino]
            for name in sorted(names):
                child = names[name]
                if child in directories:
                    shape.append((prefix + name, "d"))
                    if child not in above:
                        pending.append((f"{prefix}{name}/", child, (*above, child)))
                elif child in self.targets:
                    shape.append((prefix + name, "l", self.targets[child]))
                else:
                    shape.append((prefix + name, files.setdefault(child, len(files))))
                    links[child] = links.get(child, 0) + 1
        several = {child: count for child, count in links.items() if count > 1}
        return _Tree(reached, tuple(files), hash(tuple(shape)), several)

    # -- contents ------------------------------------------------------------------------------

    def content(self, ino: int, taken: int, torn: Torn | None) -> bytes:
        """Build one file of the image of a set of nodes."""
        file = self._files[ino]
        if torn is not None and not self._shapes(torn, ino):
            torn = None
        memo = (ino, taken & file.bits, torn)
        found = self._contents.get(memo)
        if found is None:
            found = self._paint(file, ino, taken, torn)
            self._remembered += len(found)
            if self._remembered > _REMEMBERED_MAX:
                self._contents.clear()
                self._remembered = len(found)
            self._contents[memo] = found
        return found

    def size(self, ino: int, taken: int, torn: Torn | None) -> int:
        """Give the size of one file of the image of a set of nodes."""
        file = self._files[ino]
        if torn is not None and self.torn_file(torn) == (ino, True):
            return len(self.content(ino, taken, torn))
        self._settle_file(file, ino)
        bits, size = taken & file.size_bits, file.size
        if bits:
            # Each says what the size is, so the last one on disk settles it.
            for effect in self._nodes[bits.bit_length() - 1 + self._offset].effects:
                if isinstance(effect, Size | Cut) and effect.ino == ino:
                    size = effect.size
        return size

    def _fingerprint(self, ino: int, taken: int, torn: Torn | None) -> int:
        """Give a number that is equal for equal contents, without building them if it can be."""
        prints = self._prints(self._files[ino], ino)
        if torn is not None and not self._shapes(torn, ino):
            torn = None
        if self._by_page(prints, torn):
            return prints.of(taken, self.size(ino, taken, None), torn)
        return prints.of_content(self.content(ino, taken, torn))

    def _prints(self, file: _File, ino: int) -> Fingerprints:
        if file.prints is None:
            self._settle_file(file, ino)
            window = [(number, self._nodes[number].effects) for number in self._free(file)]
            file.prints = Fingerprints(file.buffer, window, ino, self._offset)
        return file.prints

    def _free(self, file: _File) -> list[int]:
        """Give the nodes of the current window that change a file."""
        end = bisect_left(file.nodes, self._issued, file.applied)
        return file.nodes[file.applied : end]

    def _by_page(self, prints: Fingerprints, torn: Torn | None) -> bool:
        """Tell whether the pages of a file can be looked at one by one."""
        return prints.by_page and (torn is None or len(self._nodes[torn.node].effects) == 1)

    def _shapes(self, torn: Torn, ino: int) -> bool:
        effect = self._nodes[torn.node].effects[0]
        return isinstance(effect, Data) and effect.ino == ino

    def _paint(self, file: _File, ino: int, taken: int, torn: Torn | None) -> bytes:
        self._settle_file(file, ino)
        numbers = self._free(file)
        if not numbers and torn is None and file.size == len(file.buffer):
            return file.buffer
        if len(numbers) > _FEW:
            prints = self._prints(file, ino)
            if self._by_page(prints, torn):
                return prints.content(taken, self.size(ino, taken, None), torn)
        buffer, size = self._run(file, ino, numbers, taken, torn)
        del buffer[size:]
        buffer.extend(bytes(size - len(buffer)))
        return bytes(buffer)

    def _settle_file(self, file: _File, ino: int) -> None:
        if file.applied < len(file.nodes) and file.nodes[file.applied] < self._offset:
            buffer, size = self._run(file, ino, self._settled_run(file), None, None)
            file.buffer, file.size = bytes(buffer), size

    def _settled_run(self, file: _File) -> list[int]:
        start = file.applied
        while file.applied < len(file.nodes) and file.nodes[file.applied] < self._offset:
            file.applied += 1
        return file.nodes[start : file.applied]

    def _run(
        self, file: _File, ino: int, numbers: list[int], taken: int | None, torn: Torn | None
    ) -> tuple[bytearray, int]:
        """Apply nodes in order to a file's settled bytes; all of them where ``taken`` is None."""
        buffer, size = bytearray(file.buffer), file.size
        for number in numbers:
            if taken is None or taken >> (number - self._offset) & 1:
                for effect in self._nodes[number].effects:
                    if not isinstance(effect, Name) and effect.ino == ino:
                        size = _apply(buffer, size, effect)
            elif torn is not None and number <= torn.node:
                size = self._apply_torn(buffer, size, number, torn)
        return buffer, size

    def _apply_torn(self, buffer: bytearray, size: int, number: int, torn: Torn) -> int:
        """Apply what a torn page has of a node: its bytes before the cut."""
        half = self._nodes[torn.node].effects[0]
        effect = self._nodes[number].effects[0]
        assert isinstance(half, Data)
        if not isinstance(effect, Data) or effect.page != half.page or effect.start >= torn.cut:
            return size
        end = min(effect.end, torn.cut)
        _put(buffer, effect.start, effect.data[: end - effect.start])
        # Where data and size are one node, the size shows just the bytes that are there.
        grown = self._nodes[number].effects[-1]
        return max(size, end) if isinstance(grown, Size) else size


_FEW: Final = 16
"""Nodes up to which applying them one by one is quicker than looking for the pages they change."""

_REMEMBERED_MAX: Final = 1 << 24
"""Bytes of file contents remembered at once."""


def _put(buffer: bytearray, start: int, data: bytes) -> None:
    if len(buffer) < start:
        buffer.extend(bytes(start - len(buffer)))
    buffer[start : start + len(data)] = data


def _apply(buffer: bytearray, size: int, effect: Effect) -> int:
    """Apply one effect to a file's bytes, which may reach beyond its size; return the new size."""
    match effect:
        case Data():
            _put(buffer, effect.start, effect.data)
        case Size():
            return effect.size
        case Cut():
            # Whole pages go; the rest of the last one is zeroed by the tail, which may be late.
            del buffer[-(-effect.size // PAGE) * PAGE :]
            return effect.size
        case Tail():
            end = min(len(buffer), (effect.page + 1) * PAGE)
            if end > effect.start:
                buffer[effect.start : end] = bytes(end - effect.start)
        case Name():
            raise AssertionError("names do not change a file's bytes")
    return size
