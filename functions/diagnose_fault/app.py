"""Say what is to be done about a fault, and why: by the table, the policy, and what was tried before.

In:  {"run": {...}, "event": {"fault": <GpuFault>}, "isolate": {...}, "now"}
Out: {"action": "none" | "restart_pod" | "reset" | "reboot" | "replace" | "roll_ami" | "escalate", "reason",
      "pod": {"namespace", "name", "uid"}?, "job"}
"""

from datetime import datetime, timedelta

from gpuops.adapters.world import World
from gpuops.blame import blame
from gpuops.domain.dcgm.readings import read_exporter
from gpuops.domain.faults.actions import HARMLESS, closes
from gpuops.domain.faults.answers import Diagnosed, Repair, Target
from gpuops.domain.faults.diagnose import Case, diagnose, first_word
from gpuops.domain.faults.suspect import Suspect, suspect_of
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.policy import ClusterPolicy
from gpuops.entry import entry


@entry(Repair)
def handler(request: Repair, now: datetime) -> Diagnosed:
    """Decide by the table that is deployed with the code; a roll hears of what closes a node."""
    world = World()
    diagnosed = decide(request, now, world)
    if request.isolate.status != "observed" and closes(diagnosed.action):
        blame(request, now, world)
    return diagnosed


def decide(request: Repair, now: datetime, world: World) -> Diagnosed:
    """Raises: Unavailable, Refused, Invalid from the adapters."""
    fault, table = request.fault, xid_table()
    whole = world.policies.at(request.run.policy)
    policy = whole.group(request.run.group).remediation
    harmless = first_word(fault, table, policy).action in HARMLESS
    suspect = look(request, whole.cluster(request.run.cluster), world) if harmless else None
    past = world.attempts.of(request.instance, fault.uuid, now - timedelta(hours=policy.window_hours))
    diagnosis = diagnose(Case(fault, table, policy, now, past, suspect, silent=request.isolate.silent))
    pod = suspect.pod if suspect and diagnosis.action == "restart_pod" else None
    target = Target(namespace=pod.namespace, name=pod.name, uid=pod.uid) if pod else None
    job = suspect.job if suspect else ""
    return Diagnosed(action=diagnosis.action, reason=diagnosis.reason, pod=target, job=job)


def look(request: Repair, policy: ClusterPolicy, world: World) -> Suspect:
    """Whose pod is on the GPU, as the node's exporter says; without one only a node with one GPU pod is certain."""
    cluster, name = world.cluster(request.run.cluster), request.isolate.node or ""
    node = cluster.node(name)
    if node is None:
        return Suspect("the node is gone")
    readings = read_exporter(lambda: world.metrics(cluster, policy.dcgm_exporter.namespaces).scrape(name))
    return suspect_of(request.fault.uuid, cluster.pods_on(name), readings.gpus, node.gpus + node.shared_gpus)
