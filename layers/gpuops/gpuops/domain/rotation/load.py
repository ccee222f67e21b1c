"""What a node carries that a drain would have to move or wait for."""

from collections.abc import Iterable, Mapping, Sequence

from gpuops.domain.cluster import Pod
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.gangs import Gangs, Unit
from gpuops.domain.rotation.group import Instance
from gpuops.domain.rotation.order import NodeLoad


def loads_of(
    instances: Iterable[Instance], names: Mapping[str, str], pods: Mapping[str, Sequence[Pod]]
) -> list[NodeLoad]:
    """Return what each instance carries, and with which others it goes; `names` are those of the nodes there are."""
    gangs = Gangs(pods)
    return [
        load_of(i, pods.get(names[i.id], ()), gangs.unit_of(names[i.id])) if i.id in names else load_of(i, ())
        for i in instances
    ]


def load_of(instance: Instance, pods: Iterable[Pod], unit: Unit | None = None) -> NodeLoad:
    """Return what the instance carries; an instance whose node never registered carries nothing, and is no unit's."""
    busy = [pod for pod in pods if must_go(pod)]
    jobs = [pod for pod in busy if pod.completes]
    return NodeLoad(
        instance=instance.id,
        zone=instance.zone,
        pods=len(busy),
        jobs=len(jobs),
        jobs_since=max((pod.started for pod in jobs), default=""),
        works=tuple(sorted({pod.gang for pod in busy if pod.gang})),
        gang=unit.title if unit else "",
        nodes=len(unit.nodes) if unit else 1,
        kept=tuple(f"{pod.title} ({pod.keep})" for pod in busy if pod.keep),
    )
