"""Why a crash state is possible: each loss in words, with the model's rule that allowed it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.explore.states import CrashState, Explorer
from harness.persistence.effects import PAGE, Cut, Data, Name, Size, Tail
from harness.persistence.model import Loss, Node, Rule

__all__ = ["explain", "losses"]


def explain(explorer: Explorer, state: CrashState) -> list[str]:
    """Say what was lost of which call, and which rule allowed it.

    Args:
        explorer: What found the state.
        state: The state.

    Returns:
        One line a rule, with all that it allowed, in the order of the calls; empty where nothing
        was lost.
    """
    allowed: dict[Rule, list[str]] = {}
    for i, words, rule in _Reader(explorer, state).lines():
        allowed.setdefault(rule, []).append(f"#{i} {words}")
    return [f"{'; '.join(lost)}: {rule.text} [{rule.source}]" for rule, lost in allowed.items()]


def losses(explorer: Explorer, state: CrashState) -> Iterator[tuple[int, Loss, Rule]]:
    """Classify what a state lost.

    Yields:
        For each node that is not on disk its number, the kind of loss, and the rule that allows
        it.
    """
    reader = _Reader(explorer, state)
    for number in reader.missing():
        loss, _ = reader.kind(number)
        yield number, loss, reader.rule(loss)


class _Reader:
    """Reads the losses off one state."""

    def __init__(self, explorer: Explorer, state: CrashState) -> None:
        self.state = state
        self.model = explorer.constraints.model
        self.effects = explorer.constraints.effects
        self.nodes = explorer.constraints.nodes[: state.issued]
        self.sizes: dict[int, int] = {}
        self.newest = -1  # the last name on disk
        self.moved: dict[int, tuple[int, bool]] = {}
        """Of each inode that a rename on disk moved: the call, and whether it replaced one."""
        for number, node in enumerate(self.nodes):
            if not state.holds(number):
                continue
            for effect in node.effects:
                match effect:
                    case Size(ino=ino, size=size) | Cut(ino=ino, size=size):
                        self.sizes[ino] = size
                    case Name(call=call, ino=ino):
                        self.newest = number
                        if ino is not None and call in self.effects.renames:
                            self.moved[ino] = call, self.effects.renames[call][1] is not None
        for ino, content in self.effects.base.contents.items():
            self.sizes.setdefault(ino, len(content))

    def missing(self) -> Iterator[int]:
        for number in range(self.state.offset, len(self.nodes)):
            if not self.state.holds(number):
                yield number

    def lines(self) -> Iterator[tuple[int, str, Rule]]:
        groups: dict[tuple[int, Loss, int], list[Node]] = {}
        for number in self.missing():
            node = self.nodes[number]
            groups.setdefault((node.call, *self.kind(number)), []).append(node)
        for (call, loss, ino), nodes in groups.items():
            record = self.effects.records[call - 1]
            words = " and ".join(_what(nodes)) + self._beside(loss, ino)
            op = str(record.__struct_config__.tag)
            yield record.i, f"{op}: {words}", self.rule(loss)

    def rule(self, loss: Loss) -> Rule:
        for rule in self.model.rules:
            if loss in rule.allows:
                return rule
        return Rule(f"profile {self.model.name} does not forbid it", "its switches")

    def kind(self, number: int) -> tuple[Loss, int]:
        """Tell what kind of loss a missing node is, and of which file's content, if it is one's."""
        node, torn = self.nodes[number], self.state.torn
        effect = node.effects[0]
        if torn is not None and torn.node == number:
            return "torn", 0
        if self.model.order != "free":
            return ("name" if isinstance(effect, Name | Cut) else "content"), 0
        match effect:
            case Name():
                return ("name ahead" if number < self.newest else "name"), 0
            case Cut():
                return ("name ahead" if number < self.newest else "cut"), 0
            case Tail():
                return "tail", 0
            case Data(ino=ino) | Size(ino=ino):
                return self._content(effect, ino), ino

    def _content(self, effect: Data | Size, ino: int) -> Loss:
        if isinstance(effect, Data) and not effect.fresh:
            return "overwrite"
        call, over = self.moved.get(ino, (0, False))
        if call > effect.call:
            return "replaced" if over else "renamed"
        if isinstance(effect, Data) and self.sizes.get(ino, 0) > effect.start:
            return "zeros"
        return "content"

    def _beside(self, loss: Loss, ino: int) -> str:
        """Name what is on disk and makes a loss matter."""
        if loss == "torn" and self.state.torn is not None:
            return f", torn at byte {self.state.torn.cut}"
        if loss == "name ahead":
            return ", though later names are there"
        call, _ = self.moved.get(ino, (0, False))
        if loss in {"replaced", "renamed"}:
            record = self.effects.records[call - 1]
            src, dst = getattr(record, "src", "?"), getattr(record, "dst", "?")
            return f", though the rename of {src} to {dst} (#{record.i}) is there"
        return ", though the size is there" if loss == "zeros" else ""


def _what(nodes: list[Node]) -> Iterator[str]:
    effects = [effect for node in nodes for effect in node.effects]
    pages = [effect for effect in effects if isinstance(effect, Data)]
    if pages:
        start, end = min(page.start for page in pages), max(page.end for page in pages)
        count = len({page.page for page in pages})
        span = -(-end // PAGE) - start // PAGE
        where = "" if span == count else f" of {span}"
        yield f"bytes {start}..{end} ({count}{where} page{'s' * (span != 1)}) lost"
    sizes = [effect.size for effect in effects if isinstance(effect, Size)]
    if sizes:
        yield f"growth to {max(sizes)} bytes lost"
    for effect in effects:
        match effect:
            case Cut(size=size):
                yield f"cut to {size} bytes lost"
            case Tail(start=start) if not any(isinstance(other, Cut) for other in effects):
                yield f"zeros from byte {start} to the page's end lost"
            case Name(path=path, ino=None):
                yield f"removal of the name {path} lost"
            case Name(path=path):
                yield f"name {path} lost"
