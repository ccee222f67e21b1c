"""A group, its templates and its nodes, as plain values that take every goal at once."""

# ruff: noqa: D102 - a fake's methods are described where the adapter stands

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import (
    ADMITTED,
    BOOT_BEFORE,
    CORDONED_BY,
    FAULT,
    FAULT_RUN,
    FAULT_SETTLED,
    KEPT_FOR,
    QUARANTINE_KEY,
    QUARANTINED,
    RESET_BEFORE,
    RESET_LABEL,
    SCALE_DOWN_DISABLED,
    STARTUP_TAINT,
    Taint,
)
from gpuops.domain.policy import Ami, GroupPolicy
from gpuops.domain.rotation.change import GroupUpdate
from gpuops.domain.rotation.group import Group, Instance, Template, TemplateVersion
from gpuops.domain.rotation.image import Image, check_fit
from gpuops.domain.rotation.target import Target
from gpuops.domain.run import Run

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
OLD, NEW = "ami-0aa0aa0aa0aa0aa01", "ami-0bb0bb0bb0bb0bb02"
TARGET = Target(ami=NEW, release="1.36.3-20261101")
LT = "lt-0123456789abcdef0"
ARN = "arn:aws:states:us-east-1:123456789012:execution:rotate_ami:"
NODE_CONFIG = """apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {name: train}
  kubelet:
    flags:
    - --node-labels=nvidia.com/gpu=true
    - --register-with-taints=nvidia.com/gpu=true:NoSchedule
"""
USER_DATA = base64.b64encode(NODE_CONFIG.encode()).decode()
POLICY = "groups:\n- {cluster: train, group: gpu, mode: apply, canary: {nodes: 0}}\n"
CANARY = POLICY.replace("{nodes: 0}", "{nodes: 1}")


def run(name: str = "run-1", **more: Any) -> Run:
    """Return a run on the group, as a plan would have made it."""
    given = {"machine": "rotate_ami", "cluster": "train", "group": "gpu", "policy": "v1", "mode": "apply", **more}
    return Run(id=name, execution=ARN + name, **given)


def instance(number: int, ami: str = OLD, *, version: str = "1", lifecycle: str = "InService", **more: Any) -> Instance:
    """Return an instance; the zones take turns."""
    zone = f"us-east-1{'ab'[number % 2]}"
    template = Template(id=LT, version=version)
    return Instance(id=f"i-{number:08x}", zone=zone, lifecycle=lifecycle, ami=ami, template=template, **more)


def group(instances: Iterable[Instance], *, version: str = "1", **more: Any) -> Group:
    """Return a group of these instances that fits them exactly."""
    listed = tuple(instances)
    launch = {"LaunchTemplate": {"LaunchTemplateId": LT, "Version": version}}
    usual = {"max": len(listed), "desired": len(listed), "launch": launch}
    return Group(name="gpu", instances=listed, **{**usual, **more})


def node(of: Instance, *, admitted: bool = True, **more: Any) -> Node:
    """Return the instance's node."""
    taints = () if admitted else (STARTUP_TAINT,)
    annotations = {ADMITTED: NOW.isoformat()} if admitted else {}
    return Node(name=f"node-{of.id}", instance=of.id, taints=taints, annotations=annotations, **more)


def job_pod(started: str = "2026-11-23T09:00:00Z") -> Pod:
    """Return a pod of a training Job."""
    return Pod(namespace="default", name="train-0", owner="Job", completes=True, started=started)


@dataclass
class Groups:
    """One group that takes every goal at once; terminated instances leave at the next look."""

    group: Group
    failure: str | None = None
    refused: list[Exception] = field(default_factory=list)
    """What the next terminations fail with, before they did anything."""
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def describe(self, name: str, known: Callable[[Instance], bool] | None = None) -> Group:
        if name != self.group.name:
            raise Invalid(f"Auto Scaling group {name!r} does not exist, or is being deleted")
        blind = (replace(i, ami="") if known is not None and known(i) else i for i in self.group.instances)
        return replace(self.group, instances=tuple(blind))

    def describe_all(self, names: Iterable[str]) -> dict[str, Group]:
        return {name: self.group for name in names if name == self.group.name}

    def total(self, names: Sequence[str]) -> int:
        return self.group.desired if self.group.name in names else 0

    def update(self, name: str, goals: GroupUpdate) -> None:
        given = {key: value for key, value in vars(goals).items() if value is not None}
        if given:
            self.calls.append(("update", sorted(given)))
            self.group = replace(self.group, **given)

    def last_failure(self, name: str, since: datetime) -> str | None:
        return self.failure

    def suspend(self, name: str, processes: Iterable[str]) -> None:
        self._processes("suspend", self.group.suspended | set(processes), processes)

    def resume(self, name: str, processes: Iterable[str]) -> None:
        self._processes("resume", self.group.suspended - set(processes), processes)

    def unprotect(self, name: str, instances: Iterable[str]) -> None:
        free = set(instances)
        changed = tuple(replace(i, protected=i.protected and i.id not in free) for i in self.group.instances)
        self.group = replace(self.group, instances=changed)

    def terminate(self, name: str, *, decrement: bool) -> None:
        if self.refused:
            raise self.refused.pop(0)
        self.calls.append(("terminate", (name, decrement)))
        left = tuple(replace(i, lifecycle="Terminating") if i.id == name else i for i in self.group.instances)
        self.group = replace(self.group, instances=left, desired=self.group.desired - decrement)

    def _processes(self, verb: str, after: Iterable[str], asked: Iterable[str]) -> None:
        if asked:
            self.calls.append((verb, sorted(asked)))
            self.group = replace(self.group, suspended=frozenset(after))


@dataclass
class Templates:
    """One launch template; each token makes one version, however often it is used."""

    versions: list[dict[str, Any]] = field(default_factory=lambda: [{"ImageId": OLD, "UserData": USER_DATA}])
    tokens: dict[str, Template] = field(default_factory=dict)
    tagged: dict[str, str] = field(default_factory=dict)

    def read(self, template: Template) -> TemplateVersion:
        newest = len(self.versions)
        number = {"$Latest": newest, "$Default": 1}.get(template.version) or int(template.version)
        return TemplateVersion(Template(id=LT, version=str(number)), self.versions[number - 1], newest)

    def tags(self, templates: Iterable[str]) -> list[dict[str, str]]:
        return [self.tagged for _ in templates]

    def create(self, source: TemplateVersion, changes: dict[str, str], token: str, description: str) -> Template:
        if token not in self.tokens:
            self.versions.append(source.data | changes)
            self.tokens[token] = Template(id=LT, version=str(len(self.versions)))
        return self.tokens[token]


def image(ami: str, day: int | None = None, **more: Any) -> Image:
    """Return an AMI; of a day, under the name that EKS gives to its release of that day."""
    name = f"amazon-eks-node-al2023-x86_64-nvidia-1.33-v{day}" if day else f"amazon-eks-node-{ami}"
    return Image(ami=ami, name=name, architecture="x86_64", **more)


@dataclass
class Images:
    """AWS recommends one AMI; another exists beside it."""

    recommended: Target = TARGET
    known: dict[str, Image] = field(default_factory=lambda: {ami: image(ami) for ami in (OLD, NEW)})

    def target(self, policy: GroupPolicy) -> Target:
        return self.recommended

    def targets(self, policies: Iterable[GroupPolicy]) -> dict[str, Target]:
        return {policy.group: self.target(policy) for policy in policies}

    def check(self, target: Target, ami: Ami) -> Image:
        return check_fit(target, self.describe([target.ami]).get(target.ami), ami)

    def describe(self, amis: Iterable[str]) -> dict[str, Image]:
        return {ami: self.known[ami] for ami in amis if ami in self.known}

    def kubernetes(self, cluster: str) -> str:
        return "1.36"


@dataclass
class Cluster:
    """Nodes and their pods; `landing` pods arrive on a node as soon as it is cordoned."""

    all_nodes: list[Node] = field(default_factory=list)
    pods: dict[str, list[Pod]] = field(default_factory=dict)
    landing: dict[str, list[Pod]] = field(default_factory=dict)
    kube: Any = None
    """The raw API, for who reads more than these."""
    raw_pods: list[dict[str, Any]] = field(default_factory=list)
    volumes: dict[str, list[str]] = field(default_factory=dict)
    """Attached, by node."""
    zones: dict[str, frozenset[str]] = field(default_factory=dict)
    """Where a pod's volumes are, by its title."""
    asked: list[str] = field(default_factory=list)
    """Titles of the pods that were asked to save their work."""
    refusals: dict[str, str] = field(default_factory=dict)
    """What a disruption budget says to an eviction, by the pod's title."""

    def nodes(self, selector: str = "") -> list[Node]:
        return self.all_nodes

    def node_of(self, instance: str, hint: str = "") -> Node | None:
        return next((n for n in self.all_nodes if n.instance == instance), None)

    def node(self, name: str) -> Node | None:
        return next((n for n in self.all_nodes if n.name == name), None)

    def pods_on(self, name: str) -> list[Pod]:
        return self.pods.get(name, [])

    def cordon(self, of: Node, run_id: str) -> None:
        self._mark(of, {**of.annotations, CORDONED_BY: run_id}, unschedulable=True)
        self.pods.setdefault(of.name, []).extend(self.landing.pop(of.name, []))

    def uncordon(self, of: Node) -> None:
        self._mark(of, {k: v for k, v in of.annotations.items() if k != CORDONED_BY}, unschedulable=False)

    def isolate(self, of: Node, run_id: str, why: str, value: str) -> None:
        taint = Taint(key=QUARANTINE_KEY, value=value, effect="NoSchedule")
        old = {key: value for key, value in of.annotations.items() if key != FAULT_SETTLED}
        self._mark(of, {**old, FAULT: why, FAULT_RUN: run_id}, unschedulable=True)
        self.add_taint(of.name, taint)

    def settle_isolation(self, of: Node, now: datetime) -> None:
        there = self.node(of.name) or of
        self._mark(there, {**there.annotations, FAULT_SETTLED: now.isoformat()}, unschedulable=True)

    def end_isolation(self, of: Node) -> None:
        self.remove_taint(of.name, QUARANTINE_KEY)
        left = {key: value for key, value in of.annotations.items() if key not in (FAULT, FAULT_RUN, FAULT_SETTLED)}
        self._mark(self.node(of.name) or of, left, unschedulable=of.cordoned_by is not None)

    def begin_reset(self, of: Node, run_id: str, labels: Mapping[str, str]) -> None:
        ours = {RESET_LABEL: run_id, **labels}
        if RESET_BEFORE not in of.annotations:
            before = json.dumps({key: of.labels.get(key) for key in ours})
            self._relabel(of, ours, {**of.annotations, RESET_BEFORE: before})

    def end_reset(self, of: Node) -> None:
        before = of.annotations.get(RESET_BEFORE)
        if before is not None:
            left = {key: value for key, value in of.annotations.items() if key != RESET_BEFORE}
            self._relabel(of, json.loads(before), left)

    def _relabel(self, of: Node, labels: Mapping[str, str | None], annotations: dict[str, str]) -> None:
        merged = {key: value for key, value in {**of.labels, **labels}.items() if value is not None}
        new = replace(of, labels=merged, annotations=annotations)
        self.all_nodes = [new if n.name == of.name else n for n in self.all_nodes]

    def add_taint(self, name: str, taint: Taint) -> None:
        self._taint(name, lambda taints: taints if taint in taints else (*taints, taint))

    def remove_taint(self, name: str, key: str) -> None:
        self._taint(name, lambda taints: tuple(taint for taint in taints if taint.key != key))

    def _taint(self, name: str, change: Callable[[tuple[Taint, ...]], tuple[Taint, ...]]) -> None:
        self.all_nodes = [replace(n, taints=change(n.taints)) if n.name == name else n for n in self.all_nodes]

    def pods_by_node(self) -> dict[str, list[Pod]]:
        return self.pods

    def zones_of(self, pod: Pod) -> frozenset[str] | None:
        return self.zones.get(pod.title)

    def volumes_on(self, name: str) -> list[str]:
        return self.volumes.get(name, [])

    def ask_checkpoint(self, pod: Pod, now: datetime) -> None:
        self.asked.append(pod.title)
        told = replace(pod, asked=now)
        self.pods = {name: [told if one == pod else one for one in on] for name, on in self.pods.items()}

    def evict_all(self, pods: Iterable[Pod]) -> dict[Pod, str | None]:
        answers = {pod: self.refusals.get(pod.title) for pod in pods}
        gone = {pod for pod, refused in answers.items() if refused is None}
        self.pods = {name: [pod for pod in on if pod not in gone] for name, on in self.pods.items()}
        return answers

    def keep(self, of: Node, run_id: str) -> None:
        ours = {SCALE_DOWN_DISABLED: "true", KEPT_FOR: run_id}
        self._mark(of, {**of.annotations, **ours}, unschedulable=of.unschedulable)

    def let_go(self, of: Node) -> None:
        ours = (SCALE_DOWN_DISABLED, KEPT_FOR)
        left = {key: value for key, value in of.annotations.items() if key not in ours}
        self._mark(of, left, unschedulable=of.unschedulable)

    def quarantine(self, of: Node, now: datetime) -> None:
        ours = {QUARANTINED: now.isoformat(), BOOT_BEFORE: of.boot_id}
        self._mark(of, {**of.annotations, **ours}, unschedulable=of.unschedulable)

    def end_quarantine(self, of: Node) -> None:
        left = {key: value for key, value in of.annotations.items() if key not in (QUARANTINED, BOOT_BEFORE)}
        self._mark(of, left, unschedulable=of.unschedulable)

    def _mark(self, of: Node, annotations: dict[str, str], *, unschedulable: bool) -> None:
        new = replace(of, annotations=annotations, unschedulable=unschedulable)
        self.all_nodes = [new if n.name == of.name else n for n in self.all_nodes]
