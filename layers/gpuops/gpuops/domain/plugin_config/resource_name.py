"""Names of resources in the device plugin's file (k8s-device-plugin, api/config/v1/resources.go, NewResourceName)."""

import re

from gpuops.domain.plugin_config.gojson import Faults, kind_of
from gpuops.domain.plugin_config.goyaml import Item

PREFIX = "nvidia.com/"
MAX_BYTES = 63
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def resource_name(faults: Faults, item: Item, key: str) -> str | None:
    """Return the name in full; the plugin adds its prefix to whatever does not begin with it."""
    if not isinstance(item.value, str):
        faults.refuse(item.line, f"{key} must be the name of a resource, not {kind_of(item)}")
        return None
    name = item.value if item.value.startswith(PREFIX) else PREFIX + item.value
    if len(name.encode(errors="replace")) > MAX_BYTES:
        faults.refuse(item.line, f"{key}: {name!r} has more than {MAX_BYTES} characters")
        return None
    if not _NAME.fullmatch(name.removeprefix(PREFIX)):
        faults.refuse(item.line, f"{key}: {name!r} is no resource name: {PREFIX} and then a lowercase DNS name")
        return None
    if name != item.value:
        faults.warn(item.line, f"{key}: {item.value!r} is taken for {name}; write it in full")
    return name
