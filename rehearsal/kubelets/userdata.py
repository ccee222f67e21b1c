"""The flags that an instance's user data gives its kubelet, read as nodeadm and Bottlerocket read them.

This is the rehearsal's own reading: were it the product's, a mistake in it would hide in both.
"""

import tomllib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_string
from typing import Any, Final

import yaml

from rehearsal.kube import Json

NODE_CONFIG: Final = "application/node.eks.aws"


@dataclass(frozen=True)
class Flags:
    """What the kubelet registers its Node with; `plugin` are Bottlerocket's settings of its own device plugin."""

    labels: Mapping[str, str]
    taints: tuple[Json, ...]
    plugin: Mapping[str, Any] = field(default_factory=dict)


def flags_of(user_data: str, family: str) -> Flags | None:
    """Read base64 user data; None when the node cannot join with it."""
    try:
        text = b64decode(user_data, validate=False).decode()
        return _bottlerocket(text) if family == "bottlerocket" else _nodeadm(text)
    except (Base64Error, UnicodeDecodeError, yaml.YAMLError, tomllib.TOMLDecodeError):
        return None


def _nodeadm(text: str) -> Flags | None:
    configs = [config for document in _documents(text) if _is_node_config(config := yaml.safe_load(document))]
    if not configs:
        return None
    kubelets = [(config.get("spec") or {}).get("kubelet") or {} for config in configs]
    labels, taints = _read_flags(flag for kubelet in kubelets for flag in kubelet.get("flags") or ())
    if taints is None:
        configured = [t for k in kubelets for t in (k.get("config") or {}).get("registerWithTaints") or ()]
        taints = [dict(taint) for taint in configured]
    return Flags(labels, tuple(taints))


def _read_flags(flags: Iterable[str]) -> tuple[dict[str, str], list[Json] | None]:
    """Labels of repeated flags add up; of repeated taint flags, kubelet keeps only the last."""
    labels: dict[str, str] = {}
    taints: list[Json] | None = None
    for flag in flags:
        name, _, value = flag.lstrip("-").partition("=")
        if name == "node-labels":
            labels.update(pair.partition("=")[::2] for pair in value.split(",") if pair)
        elif name == "register-with-taints":
            taints = [_taint(part) for part in value.split(",") if part]
    return labels, taints


def _bottlerocket(text: str) -> Flags | None:
    everything = tomllib.loads(text).get("settings", {})
    settings = everything.get("kubernetes")
    if settings is None:
        return None
    plugin = everything.get("kubelet-device-plugins", {}).get("nvidia", {})
    taints = settings.get("node-taints", {})
    parts = (f"{key}={value}" for key, values in taints.items() for value in values)
    return Flags(dict(settings.get("node-labels", {})), tuple(_taint(part) for part in parts), plugin)


def _taint(text: str) -> Json:
    """Read key=value:Effect."""
    head, _, effect = text.rpartition(":")
    key, _, value = head.partition("=")
    return {"key": key, **({"value": value} if value else {}), "effect": effect}


def _documents(text: str) -> Iterator[str]:
    """The NodeConfig parts of a MIME message, or the documents of plain YAML."""
    if not text.lstrip().lower().startswith(("mime-version", "content-type")):
        yield from text.split("\n---\n")
        return
    for part in message_from_string(text.lstrip()).walk():
        payload = part.get_payload(decode=True)
        if part.get_content_type() == NODE_CONFIG and isinstance(payload, bytes):
            yield payload.decode()


def _is_node_config(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.get("kind") == "NodeConfig"
        and str(document.get("apiVersion", "")).startswith("node.eks.aws/")
    )
