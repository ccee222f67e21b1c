"""Looks into a cluster with the caller's own access; reads only."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from cli.checks.facts import Agent, Inside
from cli.rbac import rights
from gpuops.adapters.kube import Kube
from gpuops.adapters.manifests import MANIFESTS
from gpuops.adapters.metrics import Metrics
from gpuops.adapters.objects import DAEMONSETS
from gpuops.domain.cluster import Node, read_node
from gpuops.domain.config.foreign import read_daemonset
from gpuops.domain.policy import ClusterPolicy, Policy

Object = Mapping[str, Any]


def needed_objects(policy: Policy | None, cluster: str) -> list[Object]:
    """Return what an administrator applies for this policy; without one, what everybody needs."""
    text = (MANIFESTS / "rbac.yaml").read_text(encoding="utf-8")
    if policy is not None and cluster in {g.cluster for g in policy.groups} | {c.cluster for c in policy.clusters}:
        text = rights(text, policy, cluster)
    return [document for document in yaml.safe_load_all(text) if document]


def see_rbac(kube: Kube, wanted: list[Object]) -> tuple[str, ...]:
    """Return what of the manifest is missing, or differs."""
    return tuple(line for sent in wanted for line in _missing(sent, kube.get(_path(sent))))


def _missing(sent: Object, live: Any) -> Iterator[str]:
    """Yield what is not there; of the images that a namespace admits, more may stand there than we need."""
    title = f"{sent['kind']} {sent['metadata']['name']}"
    if live is None:
        yield f"{title} is missing"
    elif sent["kind"] == "ConfigMap":
        have = {line.strip() for text in (live.get("data") or {}).values() for line in text.splitlines()}
        wanted = [line.strip() for text in sent["data"].values() for line in text.splitlines()]
        yield from (f"{title} in {sent['metadata']['namespace']} lacks {line}" for line in wanted if line not in have)
    else:
        said = {key: value for key, value in sent.items() if key != "metadata" and value is not False}
        lost = [key for key, value in said.items() if not contains(value, live.get(key))]
        if lost:
            yield f"{title} differs in {', '.join(lost)}"


def contains(sent: Any, live: Any) -> bool:
    """Whether all that was sent is there; what the apiserver adds as a default may stand beside it."""
    if isinstance(sent, Mapping) and isinstance(live, Mapping):
        return all(contains(value, live.get(key)) for key, value in sent.items())
    if isinstance(sent, list) and isinstance(live, list):
        return len(sent) == len(live) and all(contains(a, b) for a, b in zip(sent, live, strict=True))
    return bool(sent == live)


def _path(sent: Object) -> str:
    version, kind, meta = str(sent["apiVersion"]), str(sent["kind"]).lower(), sent["metadata"]
    plural = f"{kind[:-1]}ies" if kind.endswith("cy") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    space = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{root}{space}/{plural}/{meta['name']}"


def see_inside(kube: Kube) -> Inside:
    """Return the nodes, and whoever offers or measures their GPUs."""
    nodes = tuple(read_node(raw) for raw in kube.get_all("/api/v1/nodes"))
    found = [(read_daemonset(raw), _agent(raw)) for raw in kube.get_all(DAEMONSETS)]
    return Inside(
        nodes=nodes,
        plugins=tuple(agent for daemonset, agent in found if daemonset.runs_plugin),
        exporters=tuple(agent for daemonset, agent in found if daemonset.runs_exporter),
    )


def _agent(raw: Object) -> Agent:
    status = raw.get("status", {})
    title = f"{raw['metadata']['namespace']}/{raw['metadata']['name']}"
    return Agent(title, int(status.get("desiredNumberScheduled", 0)), int(status.get("numberReady", 0)))


def see_metrics(kube: Kube, node: Node, policy: ClusterPolicy) -> tuple[str, str | None]:
    """Return what the node's exporter says on port 9400, through the apiserver."""
    return node.name, Metrics(kube, policy.dcgm_exporter.namespaces).scrape(node.name)
