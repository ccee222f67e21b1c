"""The configurations of the device plugin that the policy declares, as the text of one ConfigMap key each.

A key whose name stands on some node's label is never edited or deleted: the plugin would not see an edit until its
pod restarts ("Already configured. Skipping"), and a key that is gone crashes its sidecar at the next label
(k8s-device-plugin, cmd/config-manager/main.go). A change of shape is a new key, and a new label.
"""

from collections.abc import Iterable, Mapping

import yaml

from gpuops.domain.cluster import Node
from gpuops.domain.config.finding import Finding
from gpuops.domain.keys import GPU_RESOURCE, PLUGIN_CONFIG_LABEL
from gpuops.domain.policy import EXCLUSIVE, RUNGS, DevicePlugin

Texts = dict[str, str]
VERSION = "v1"


def key_texts(plugin: DevicePlugin) -> Texts:
    """Return every key with its configuration."""
    shared, strict = plugin.rename_by_default, plugin.fail_requests_greater_than_one
    texts = {EXCLUSIVE: _text()} | {key: _text(replicas, shared, strict) for key, replicas in RUNGS.items()}
    for key, profile in plugin.profiles.items():
        rename, fail = profile.rename_by_default, profile.fail_requests_greater_than_one
        texts[key] = _text(profile.replicas, shared if rename is None else rename, strict if fail is None else fail)
    return texts


def _text(replicas: int = 1, rename: bool = False, fail: bool = False) -> str:  # noqa: FBT001, FBT002 - two switches
    """One configuration; exclusive has no sharing block, because the plugin rejects replicas of 1."""
    config: dict[str, object] = {"version": VERSION}
    if replicas > 1:
        slicing = {
            "renameByDefault": rename,
            "failRequestsGreaterThanOne": fail,
            "resources": [{"name": GPU_RESOURCE, "replicas": replicas}],
        }
        config["sharing"] = {"timeSlicing": slicing}
    return str(yaml.safe_dump(config, sort_keys=False))


def keys_in_use(nodes: Iterable[Node]) -> dict[str, tuple[str, ...]]:
    """Return the keys that nodes are labelled with, each with the nodes' names."""
    used: dict[str, tuple[str, ...]] = {}
    for node in sorted(nodes, key=lambda node: node.name):
        if key := node.labels.get(PLUGIN_CONFIG_LABEL):
            used[key] = (*used.get(key, ()), node.name)
    return used


def keep_used(
    wanted: Texts, live: Mapping[str, str], used: Mapping[str, tuple[str, ...]], about: str
) -> tuple[Texts, list[Finding]]:
    """Return what may be written: wanted keys, but those in use as they are; and a finding for each that differs."""
    texts, findings = dict(wanted), []
    for key in sorted(used.keys() & live.keys()):
        if live[key] == wanted.get(key):
            continue
        texts[key] = live[key]
        what = "is no longer in the policy" if key not in wanted else "differs from the policy"
        reason = f"key {key} {what}, and stays as it is: it is in use on {', '.join(used[key][:10])}"
        findings.append(Finding(what="in_use", about=about, reason=reason, left=True))
    return texts, findings
