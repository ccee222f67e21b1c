"""From what exporters and the cluster say to a pool, and from a pool to what is remembered of its workloads.

Where an exporter tells pods apart, each has its own memory. Where it does not, a pod that is alone on its GPU has all
of it; of several nobody knows who uses what, so each counts for half as much again as its part, and such a pool gets
two shares of a GPU at the most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gpuops.domain.dcgm.sample import GpuSample, PodShare
from gpuops.domain.slicing.brakes import why_silent
from gpuops.domain.slicing.pool import Gpu, Pool, PoolNode, Tenant

GUESS = 1.5
"""On a part of a GPU's memory that is only guessed."""
Look = tuple[float | None, float | None]


@dataclass(frozen=True)
class Owner:
    """Whose a pod is, and why it must have its GPUs to itself; empty where it need not."""

    workload: str
    exclusive: str = ""
    fell: bool = False
    """Whether a container of it ended by an error, and does not run now."""


def gpu_of(sample: GpuSample, owners: Mapping[str, Owner]) -> Gpu:
    """Return the GPU with everybody on it, each pod once, however many series name it."""
    shares = {(share.title, share.replica): share for share in sample.pods}
    return Gpu(sample, tuple(_tenant(share, owners) for share in shares.values()))


def node_of(name: str, replicas: int, samples: Mapping[str, GpuSample], owners: Mapping[str, Owner]) -> PoolNode:
    """Return a node that is measured; MIG puts it apart."""
    gpus = tuple(gpu_of(samples[uuid], owners) for uuid in sorted(samples))
    cut = next((f"MIG cuts {gpu.sample.uuid}" for gpu in gpus if gpu.sample.mig), "")
    return PoolNode(name, replicas, gpus, apart=cut)


def _tenant(share: PodShare, owners: Mapping[str, Owner]) -> Tenant:
    owner = owners.get(share.title) or Owner(workload_named(share.namespace, share.pod))
    return Tenant(owner.workload, share.memory_used_mib, share.busy_ratio, owner.exclusive, owner.fell)


def workload_named(namespace: str, pod: str) -> str:
    """The workload that a pod's name hints at, where nobody can be asked who owns it.

    A ReplicaSet's pod ends in the hash of its template and five letters; a Job's in five letters.
    """
    parts = pod.split("-")
    suffix = len(parts) > 1 and len(parts[-1]) == len("x2x4z") and parts[-1].isalnum()
    if not suffix:
        return f"{namespace}/{pod}"
    stem = parts[:-1]
    hashed = len(stem) > 1 and len(stem[-1]) in range(8, 11) and any(letter.isdigit() for letter in stem[-1])
    return f"{namespace}/{'-'.join(stem[:-1] if hashed else stem)}"


def looks_of(pool: Pool) -> dict[str, Look]:
    """Return for each workload the most memory that a pod of it uses, in MiB, and how busy its pods are on average."""
    memory: dict[str, list[float]] = {}
    busy: dict[str, list[float]] = {}
    for node in pool.members:
        for gpu in node.gpus if not node.silent else ():
            for tenant in (tenant for tenant in gpu.tenants if not tenant.fell):
                used, share = part_of(gpu, tenant)
                memory.setdefault(tenant.workload, []).extend([] if used is None else [used])
                busy.setdefault(tenant.workload, []).extend([] if share is None else [share])
    return {
        name: (max(memory[name], default=None), sum(busy[name]) / len(busy[name]) if busy[name] else None)
        for name in memory
    }


def falls_of(pool: Pool, now: datetime) -> dict[str, float]:
    """Return for each workload of which a pod fell beside others how much of the GPU's memory was free for it, in MiB.

    The exporter's word may be older than the fall: then what the pod held itself is missing, and so it is no less.
    Where numbers are missing, too old or contradictory, nobody knows what was free, and nothing is learnt.
    """
    free: dict[str, float] = {}
    for node in pool.members:
        for gpu in node.gpus if not why_silent(node, now) else ():
            sample = gpu.sample
            rest = (sample.memory_total_mib or 0) - (sample.memory_reserved_mib or 0) - (sample.memory_used_mib or 0)
            for tenant in gpu.tenants if len(gpu.tenants) > 1 else ():
                if tenant.fell:
                    free[tenant.workload] = max(float(rest), free.get(tenant.workload, 0.0))
    return free


def part_of(gpu: Gpu, tenant: Tenant) -> Look:
    """What one pod uses of the GPU: as the exporter says, or all of it, or a guess on the safe side."""
    clients = len(gpu.tenants)
    guess = 1.0 if clients == 1 else GUESS / clients
    used, busy = gpu.sample.memory_used_mib, gpu.sample.busy_ratio
    return (
        float(tenant.memory_mib) if tenant.memory_mib is not None else None if used is None else used * guess,
        tenant.busy_ratio if tenant.busy_ratio is not None else None if busy is None else busy / clients,
    )


def tells_pods_apart(pool: Pool) -> bool:
    """Whether everybody's own memory is known wherever several share a GPU."""
    shared = (gpu for node in pool.members for gpu in node.gpus if len(gpu.tenants) > 1)
    return all(tenant.memory_mib is not None for gpu in shared for tenant in gpu.tenants)
