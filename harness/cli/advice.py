"""``harness check --advise``: syncs that nothing judged needs, in lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.plan import Plan

__all__ = ["advice"]


def advice(plan: Plan) -> list[str]:
    """Look for syncs to leave out, and say what that was proven on."""
    from harness.advise import advise  # noqa: PLC0415 - slow to import

    found = advise(plan)
    if found.broken:
        return ["advice: none: the store breaks a promise as it is; mend that first"]
    proof = (
        f"{found.workloads} workloads, {', '.join(found.profiles)}; "
        f"{', '.join(found.guarantees)}: 0 violations with them and without"
    )
    count = len(found.removable) + len(found.needed)
    lines = [f"advice: {len(found.removable)} of {count} syncing lines can go, one at a time"]
    lines += [
        f"  {site.file}:{site.line} in {site.function}: {site.source}" for site in found.removable
    ]
    lines.append(f"  proven by trace on {proof}")
    pairs = found.workloads * len(found.profiles)
    lines.append(
        f"  sampled: not every crash state was judged in {found.sampled} of {pairs} pairs of "
        "workload and profile"
        if found.sampled
        else "  every crash state was judged"
    )
    if found.left:
        places = ", ".join(f"{site.file}:{site.line}" for site in found.left)
        lines.append(f"  not judged, because opening the store does it: {places}")
    return lines
