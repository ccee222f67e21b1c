"""`gpuops rbac`: what an administrator applies to a cluster, with the images and ConfigMaps that the policy names.

The manifest's comments are kept, because whoever grants rights should read why: so its text is edited, not its data.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml

from cli.output import answer, give_up, say
from gpuops.adapters.manifests import MANIFESTS
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import NAMESPACE, SYSTEM_NAMESPACE
from gpuops.domain.policy import ClusterPolicy, GroupPolicy, Policy, parse_policy

IMAGES = "gpuops-images"
FOREIGN = "kube-system/nvidia-device-plugin-configs"
"""The ConfigMap of somebody else's plugin that the manifest itself names."""
READERS = ("gpuops-admitter", "gpuops-admitters")
SCRAPERS, HERE = "gpuops-scrapers", "kube-system"
"""Whoever asks exporters, and a namespace in which the manifest itself lets them."""
SEPARATOR = "\n---\n"


def command(
    policy: Annotated[Path | None, typer.Option(help="Your fleet.yaml; without one: the default images.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Only what this cluster needs, not all of the policy.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Print namespaces, roles and admission policies for `kubectl apply --server-side -f -`."""
    text = (MANIFESTS / "rbac.yaml").read_text(encoding="utf-8")
    if policy is not None:
        try:
            text = rights(text, parse_policy(policy.read_text(encoding="utf-8"), "local"), cluster)
        except (OSError, UnicodeDecodeError, Invalid) as error:
            give_up(str(error), as_json=as_json)
    if as_json:
        answer({"status": "printed", "objects": list(yaml.safe_load_all(text))})
        return
    say("# apply as an administrator: gpuops rbac --policy fleet.yaml | kubectl apply --server-side -f -")
    print(text, end="")


def rights(text: str, policy: Policy, cluster: str | None = None) -> str:
    """Return the manifest as the policy needs it. Raises: Invalid when the policy names no such cluster."""
    names = dict.fromkeys([*(g.cluster for g in policy.groups), *(c.cluster for c in policy.clusters)])
    if cluster is not None and cluster not in names:
        raise Invalid(f"the policy names no cluster {cluster!r}; it names: {', '.join(names)}")
    chosen = [cluster] if cluster else list(names)
    clusters = [policy.cluster(name) for name in chosen]
    images = _images([g for g in policy.groups if g.cluster in chosen], clusters)
    foreign = dict.fromkeys(c.device_plugin.config_map for c in clusters if c.device_plugin.config_map)
    exporters = dict.fromkeys(space for c in clusters for space in c.dcgm_exporter.namespaces)
    parts = text.rstrip("\n").split(SEPARATOR)
    return SEPARATOR.join(adapted for part in parts for adapted in _adapted(part, images, foreign, exporters)) + "\n"


def _images(groups: Sequence[GroupPolicy], clusters: Iterable[ClusterPolicy]) -> dict[str, list[str]]:
    """By namespace; a default stays in the list only where a group or cluster still uses it."""
    smokes = [i for g in groups for i in (g.smoke.nvidia_smi, g.smoke.cuda_sample, g.smoke.diagnostic)]
    installed = [image for c in clusters for image in (c.device_plugin.image, c.dcgm_exporter.image)]
    installed += [g.smoke.nvidia_smi for g in groups]  # in which GPUs are reset
    return {NAMESPACE: list(dict.fromkeys(smokes)), SYSTEM_NAMESPACE: list(dict.fromkeys(installed))}


def _adapted(
    part: str, images: dict[str, list[str]], foreign: Iterable[str], exporters: Iterable[str]
) -> Iterator[str]:
    """One document of the manifest: with other images, once for each foreign ConfigMap or exporter, or as it is."""
    found = yaml.safe_load(part)
    name, namespace = found["metadata"]["name"], found["metadata"].get("namespace", "")
    if name == IMAGES:
        listed = "".join(f"\n    {image}" for image in images[namespace])
        yield re.sub(r"(images: \|-).*", lambda match: match[1] + listed, part, flags=re.DOTALL)
    elif name in READERS and namespace == FOREIGN.partition("/")[0]:
        here, _, theirs = FOREIGN.partition("/")
        for title in foreign:
            other, _, config_map = title.partition("/")
            yield part.replace(theirs, config_map).replace(f"namespace: {here}", f"namespace: {other}")
    elif (name, namespace) == (SCRAPERS, HERE):
        spaces = [HERE, *(space for space in exporters if space not in (HERE, SYSTEM_NAMESPACE))]
        yield from (part.replace(f"namespace: {HERE}", f"namespace: {space}") for space in spaces)
    else:
        yield part
