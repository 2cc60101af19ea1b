"""How large the instances of a job may be, so that a cluster of these nodes can hold them all at once."""

from collections.abc import Sequence

Part = tuple[float, int]  # CPUs, bytes of memory
_STEPS = 40


def fitted(asked: Sequence[Part], nodes: Sequence[Part]) -> list[Part]:
    """What was asked where it fits, else less of it for every instance: what would never fit would wait for ever.

    No instance is larger than the largest node. What fits only when nodes are empty is left as it is: it waits for them.
    """
    most = max((cpus for cpus, _ in nodes), default=0.0), max((memory for _, memory in nodes), default=0)
    capped = [(min(cpus, most[0]), min(memory, most[1])) for cpus, memory in asked]
    for step in range(_STEPS, 0, -1):
        parts = [(_hundredths(cpus * step / _STEPS), memory * step // _STEPS) for cpus, memory in capped]
        if _hold(parts, nodes):
            return parts
    return capped


def _hold(parts: Sequence[Part], nodes: Sequence[Part]) -> bool:
    """The largest first, each on the node with the most CPUs left."""
    left = list(nodes)
    for cpus, memory in sorted(parts, reverse=True):
        fitting = [number for number, (has, keeps) in enumerate(left) if has >= cpus and keeps >= memory]
        if not fitting:
            return False
        best = max(fitting, key=lambda number: left[number])
        left[best] = left[best][0] - cpus, left[best][1] - memory
    return True


def _hundredths(cpus: float) -> float:
    """Rounded down: Ray counts in ten-thousandths, and a sum must not come out above a whole."""
    return max(0.01, int(cpus * 100) / 100)
