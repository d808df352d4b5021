"""What can be broken where."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import PipelineError
from pipeline.topology.shape import suggest
from pipeline.verify.faults import CLUSTER, SINGLE, CutConnections, Fault, KillWorkers
from pipeline.verify.migrating import KillApply
from pipeline.verify.trial import Scenario

SCENARIOS: dict[str, Sequence[type[Fault]]] = {
    "single": SINGLE,
    "cluster": CLUSTER,
    "migration": (KillApply, KillWorkers, CutConnections),
}


def scenarios_of(
    names: Sequence[str], faults: Sequence[str] | None, *, seed: int, minutes: float, jobs: int
) -> list[Scenario]:
    """The scenarios of these names, each with all of its faults, or those of them that are asked for.

    Raises PipelineError for a fault that none of them has.
    """
    known = {fault.name: fault for name in names for fault in SCENARIOS[name]}
    for fault in faults or ():
        if fault not in known:
            meant = suggest(fault, known)
            raise PipelineError(
                f'There is no fault "{fault}" there', fix=f"{meant} There are: {', '.join(known)}".strip()
            )
    scenarios = []
    for name in names:
        own = [fault for fault in SCENARIOS[name] if faults is None or fault.name in faults]
        if own:
            scenarios.append(Scenario(name, own, seed, minutes, jobs, clustered=name == "cluster"))
    return scenarios
