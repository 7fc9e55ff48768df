"""``k8s.io/utils/cpuset``: sets of CPU numbers in Linux list format ("0-3,7")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from harness.reference.gojson.quote import quote
from harness.reference.gojson.types import INT, Field, Map, Struct, Text

__all__ = ["CPUSET", "format_cpuset", "parse_cpuset"]

_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
_CPUS_MAX: Final = 1 << 20
"""No machine has more; Go would fill its memory with "0-9999999999", which helps nobody."""


def _atoi(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
    if len(text.lstrip("+-0")) > 19 or not -(2**63) <= int(text) < 2**63:  # noqa: PLR2004
        raise ValueError(f"strconv.Atoi: parsing {quote(text)}: value out of range")
    return int(text)


def parse_cpuset(text: str) -> frozenset[int]:
    """Parse a CPU list.

    Args:
        text: Such as ``0-5,34``; empty is the empty set.

    Raises:
        ValueError: Not a CPU list; the text is Go's.
    """
    cpus: set[int] = set()
    if not text:
        return frozenset()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start = _atoi(first)
        end = _atoi(last) if dash else start
        if start > end:
            raise ValueError(f"invalid range {quote(part)} ({start} > {end})")
        if end - start >= _CPUS_MAX:
            raise ValueError(f"range {quote(part)} names more than {_CPUS_MAX} CPUs")
        cpus.update(range(start, end + 1))
    return frozenset(cpus)


def format_cpuset(cpus: Iterable[int]) -> str:
    """Write a set of CPUs in canonical list format."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and cpu == parts[-1][1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


_ELEMS: Final = Map(INT, Struct("struct {}", ()))

CPUSET: Final = Text(
    name="cpuset.CPUSet",
    parse=parse_cpuset,
    render=format_cpuset,
    shape=Struct("cpuset.CPUSet", (Field("elems", _ELEMS),)),
    spread=lambda cpus: {"elems": {cpu: {} for cpu in cpus}},
    empty=frozenset(),
)
"""The Go type, in JSON its list. That it reads itself as text is inferred from the files."""
