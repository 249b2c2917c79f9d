"""How many actors of which size fit a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imgsearch.errors import UsageError


@dataclass(frozen=True, slots=True)
class ActorPlan:
    """``actors`` workers that take ``cpus`` and ``gpus`` (a part of one where they share it) each."""

    actors: int
    cpus: float
    gpus: float
    decode_workers: int

    @property
    def needs(self) -> str:
        """For people."""
        return f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")


def plan_actors(
    nodes: Sequence[Mapping[str, float]], shards: int, workers: int, decode_workers: int, gpu: bool
) -> ActorPlan:
    """The actors for ``shards`` on ``nodes`` (each a table with "CPU" and "GPU"). ``workers``: as many, 0 for one a
    GPU, or else one a node; ``decode_workers``: CPUs of each, 0 for its share of a node. ``gpu``: use GPUs if there
    are any. Raises UsageError if no node has room for one."""
    cpus = [node.get("CPU", 0.0) for node in nodes]
    gpus = [node.get("GPU", 0.0) for node in nodes] if gpu else [0.0] * len(nodes)
    useful = [number for number, count in enumerate(gpus) if count] or [n for n, count in enumerate(cpus) if count]
    devices = sum(gpus)
    wanted = workers or int(devices) or len(useful)
    actors = max(1, min(wanted, shards))
    share = 0.0
    if devices:
        share = 1.0 if wanted <= devices else math.floor(1e4 / math.ceil(wanted / devices)) / 1e4
    room = sum(cpus[number] for number in useful)
    largest = max((cpus[number] for number in useful), default=0.0)
    if decode_workers > largest or not largest:
        raise UsageError(
            f"a worker wants {decode_workers or 1} CPU, and the cluster has {describe_nodes(nodes)}; its largest node "
            f"{largest:g} CPU",
            f"use --decode-workers {max(1, int(largest))}" if largest else "add a node with CPUs to the cluster",
        )
    smallest = min(cpus[number] for number in useful)
    each = float(decode_workers) or max(1.0, math.floor(min(room / wanted, smallest)))
    return ActorPlan(actors, min(each, largest), share, max(1, int(each)))


def describe_nodes(nodes: Sequence[Mapping[str, float]]) -> str:
    """The sum of what they have, for people."""
    cpus, gpus = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    return f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")
