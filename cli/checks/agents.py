"""Judges what runs in the cluster: who offers the GPUs, who measures them, and whether they can be asked."""

from cli.checks.facts import Agent, Check, Inside, Sight, Unseen
from gpuops.domain.policy import ClusterPolicy

APPLY = 'gpuops run apply_gpu_config --event <(echo \'{"cluster": "%s"}\') --watch'
MANAGE = "set `%s: {manage: true}` and `mode: apply` for cluster %s in fleet.yaml, then: make policy"


def judge_reach(inside: Inside | Unseen, who: str, cluster: str) -> Check:
    """The caller may look into the cluster; what follows depends on it."""
    if isinstance(inside, Unseen):
        mend = (
            f"aws eks create-access-entry --cluster-name {cluster} --principal-arn {who} && aws eks "
            f"associate-access-policy --cluster-name {cluster} --principal-arn {who} --access-scope type=cluster "
            "--policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminViewPolicy"
        )
        return Check("your access", ok=False, found=f"cannot read: {inside.reason}", mend=mend)
    return Check("your access", ok=True, found=f"{len(inside.nodes)} nodes seen")


def judge_plugin(inside: Inside | Unseen, policy: ClusterPolicy) -> Check:
    """Exactly one device plugin, ready wherever it is wanted."""
    agents = () if isinstance(inside, Unseen) else inside.plugins
    ours = policy.device_plugin.manage and policy.mode == "apply"
    return _agents("device plugin", inside, agents, _install("device_plugin", policy.cluster, ours=ours))


def judge_exporter(inside: Inside | Unseen, policy: ClusterPolicy) -> Check:
    """Exactly one exporter: two break the profiling metrics."""
    agents = () if isinstance(inside, Unseen) else inside.exporters
    ours = policy.dcgm_exporter.manage and policy.mode == "apply"
    return _agents("exporter", inside, agents, _install("dcgm_exporter", policy.cluster, ours=ours))


def judge_metrics(sight: Sight) -> Check:
    """Port 9400 answers through the apiserver, as the functions ask it."""
    name = "metrics on port 9400"
    if isinstance(sight.inside, Unseen):
        return Check(name, ok=False, found=f"cannot read: {sight.inside.reason}", mend="mend `your access` first")
    agent = next(iter(sight.inside.exporters), None)
    mend = f"kubectl -n {_place(agent, ' rollout restart daemonset ')}" if agent else "mend `exporter` first"
    if isinstance(sight.metrics, Unseen):
        return Check(name, ok=False, found=f"cannot read: {sight.metrics.reason}", mend=mend)
    node, text = sight.metrics
    count = len([line for line in (text or "").splitlines() if line.startswith("DCGM_")])
    return Check(name, count > 0, f"{node}: {count} series" if count else f"{node}: no answer with series", mend)


def _install(part: str, cluster: str, *, ours: bool) -> str:
    return APPLY % cluster if ours else MANAGE % (part, cluster)


def _agents(name: str, inside: Inside | Unseen, agents: tuple[Agent, ...], install: str) -> Check:
    if isinstance(inside, Unseen):
        return Check(name, ok=False, found=f"cannot read: {inside.reason}", mend="mend `your access` first")
    if not agents:
        return Check(name, ok=False, found="none found", mend=install)
    found = ", ".join(f"{agent.title} ({agent.ready}/{agent.wanted} ready)" for agent in agents)
    if len(agents) > 1:
        mend = f"kubectl -n {_place(agents[-1], ' delete daemonset ')}"
        return Check(name, ok=False, found=f"{len(agents)} of them: {found}", mend=mend)
    agent = agents[0]
    return Check(name, agent.wanted == agent.ready, found, f"kubectl -n {_place(agent, ' describe daemonset ')}")


def _place(agent: Agent, command: str) -> str:
    return agent.title.replace("/", command, 1)
