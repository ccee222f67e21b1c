"""Bring a cluster's device plugin, exporter and configurations to the policy; say where nodes differ from their group.

In:  {"event": {"cluster": "gpu"}, "execution": {...}, "now": "..."} or, in an admission, {"run": {...}, ...}
Out: {"status": "in_sync" | "applied" | "observed" | "left", "reason", "fault": an error's name | null,
      "findings": [{"what", "about", "reason", "left", "done"}], "cluster", "mode", "policy"}
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, model_validator

from gpuops.adapters.manifests import Object, exporter_objects, plugin_objects
from gpuops.adapters.objects import Objects, title_of
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.config.answers import Applied, ConfigOrder
from gpuops.domain.config.drift import changes, differences
from gpuops.domain.config.finding import Finding, judge
from gpuops.domain.config.node_drift import Declared, check_declared, check_node
from gpuops.domain.config.plan import decide_plan, described
from gpuops.domain.config.shapes import keep_used, key_texts, keys_in_use
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.policy import EXCLUSIVE, ClusterPolicy, GroupPolicy
from gpuops.domain.rotation.group import Group, Template
from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.run import Run
from gpuops.domain.userdata import parse_user_data
from gpuops.entry import entry


class ApplyConfig(BaseModel):
    """An order for a cluster, or the run of an admission that found its cluster without configurations."""

    event: ConfigOrder | None = None
    run: Run | None = None

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        """What woke an admission is no order: its run says the cluster."""
        if isinstance(value, dict) and value.get("run"):
            return {**value, "event": None}
        return value

    @model_validator(mode="after")
    def _any(self) -> "ApplyConfig":
        if self.event is None and self.run is None:
            raise ValueError("give an event with a cluster, or a run")
        return self


@entry(ApplyConfig)
def handler(request: ApplyConfig, now: datetime) -> Applied:  # noqa: ARG001 - nothing of this depends on the time
    """Apply; a second call finds everything in sync."""
    return apply(request, World())


def apply(request: ApplyConfig, world: World) -> Applied:
    """Everything is looked at, whatever is found on the way: one answer names it all."""
    whole = world.policies.at(request.run.policy) if request.run else world.policies.latest()
    name = request.run.cluster if request.run else request.event.cluster if request.event else ""
    policy, connection = whole.cluster(name), world.cluster(name)
    objects, nodes = world.objects(connection), connection.nodes()
    plan = decide_plan(policy, nodes, objects.daemonsets())
    findings = list(plan.findings)
    findings += _plugin(policy, nodes, objects) if plan.plugin else ()
    findings += [f for sent in exporter_objects(policy) for f in _put(sent, policy, objects)] if plan.exporter else ()
    for group in whole.groups:
        findings += _group(group, policy, nodes, world) if group.cluster == name else ()
    verdict = judge(findings, policy.mode)
    return Applied(**verdict.model_dump(), cluster=name, mode=policy.mode, policy=whole.version)


def _plugin(policy: ClusterPolicy, nodes: Iterable[Node], objects: Objects) -> list[Finding]:
    """The configurations first: without its default key, the plugin's init container would never end."""
    wanted = key_texts(policy.device_plugin)
    configurations, daemonset = plugin_objects(policy, wanted)
    live = (objects.get(configurations) or {}).get("data") or {}
    texts, findings = keep_used(wanted, live, keys_in_use(nodes), title_of(configurations))
    written = _put({**configurations, "data": texts}, policy, objects)
    if EXCLUSIVE in live or not any(finding.left for finding in written):
        return [*findings, *written, *_put(daemonset, policy, objects)]
    reason = f"not written before there is a {title_of(configurations)} with {EXCLUSIVE}"
    return [*findings, *written, Finding(what="refused", about=title_of(daemonset), reason=reason, left=True)]


def _put(sent: Object, policy: ClusterPolicy, objects: Objects) -> list[Finding]:
    """Apply one object, or ask what an apply would do; nothing to tell where it changes nothing."""
    look, about = policy.mode != "apply", title_of(sent)
    live = objects.get(sent)
    outcome = objects.apply(sent, force=policy.force_conflicts, dry_run=look)
    if outcome.what != "applied":
        reason = f"{described(live, differences(sent, live))}; {outcome.reason}"
        return [Finding(what=outcome.what, about=about, reason=reason, left=True)]
    paths = list(changes(live, outcome.after))
    if live is not None and not paths:
        return []
    reason = f"{described(live, paths)}; {'an apply would put it right' if look else 'put right'}"
    return [Finding(what="changed" if live else "missing", about=about, reason=reason, left=look, done=not look)]


def _group(group: GroupPolicy, policy: ClusterPolicy, nodes: Iterable[Node], world: World) -> list[Finding]:
    """The group's nodes against what they registered with; a group that cannot be read keeps no other from its turn."""
    try:
        found = world.groups.describe(group.group)
        declared = _declared(found, policy.cluster, world)
    except (Invalid, Refused) as fault:
        return [Finding(what="recommended", about=f"Group {group.group}", reason=f"not checked: {fault}")]
    templates = {instance.id: instance.template for instance in found.staying}
    ours = [(node, templates[node.instance]) for node in nodes if node.instance in templates]
    next_ones = check_declared(group.group, declared[None], policy.node_selector)
    return [
        *next_ones,
        *(f for node, template in ours for f in check_node(node, declared.get(template, declared[None]))),
    ]


def _declared(group: Group, cluster: str, world: World) -> dict[Template | None, Declared]:
    """What each launch template version has nodes register with; under None what the next ones do."""
    if group.managed:
        return {None: world.nodegroups.declared(cluster, group.managed)}
    main = templates_of(group.launch)[0]
    used = {instance.template for instance in group.staying if instance.template}
    read = {template: _registered(template, world) for template in {main, *used}}
    return {**read, None: read[main]}


def _registered(template: Template, world: World) -> Declared:
    version = world.templates.read(template)
    view = parse_user_data(version.user_data)
    source = f"launch template {version.template.id} version {version.template.version}"
    return Declared(source=source, labels=view.labels, taints=view.taints)
