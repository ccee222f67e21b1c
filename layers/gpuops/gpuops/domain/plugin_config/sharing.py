"""`sharing` in the device plugin's file: what is shared, and what is dropped (its api/config/v1/replicas.go)."""

import re
from dataclasses import dataclass

from gpuops.domain.keys import GPU_RESOURCE
from gpuops.domain.plugin_config.gojson import Faults, exact, flag, kind_of, listed, whole
from gpuops.domain.plugin_config.goyaml import Item
from gpuops.domain.plugin_config.resource_name import resource_name

SHARED = ".shared"
"""What `renameByDefault` adds to a name."""
MIG_PREFIX = "nvidia.com/mig-"
MIN_REPLICAS = 2
MAX_UINT = 2**64 - 1

_HEX = "[0-9a-fA-F]"
_UUID = rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_ANY_UUID = rf"({_UUID}|(?i:urn:uuid:){_UUID}|.{_UUID}.|{_HEX}{{32}})"
_DEVICE = re.compile(rf"GPU-{_ANY_UUID}|MIG-{_ANY_UUID}|MIG-GPU-{_ANY_UUID}/([0-9]+)/([0-9]+)|([0-9]+)(:([0-9]+))?")


@dataclass(frozen=True)
class Shared:
    """One resource that is offered several times."""

    name: str
    rename: str
    replicas: int
    line: int

    def __str__(self) -> str:
        return f'{self.name} rename="{self.rename}" replicas={self.replicas} all=true'


@dataclass(frozen=True)
class Replicated:
    """A block of sharing: `timeSlicing` or `mps`."""

    resources: tuple[Shared, ...]
    fail_requests_greater_than_one: bool | None


def take_replicated(faults: Faults, item: Item, name: str) -> Replicated:
    """Take a block; its keys count letter for letter, and it must share something."""
    given = exact(faults, item, name, ("renameByDefault", "failRequestsGreaterThanOne", "resources"))
    rename, fail = (
        flag(faults, given[key], key) if key in given else None
        for key in ("renameByDefault", "failRequestsGreaterThanOne")
    )
    resources = given.get("resources")
    if resources is None or resources.value in (None, []):
        faults.refuse((resources or item).line, f"{name} has no resources: leave it out to share nothing")
        return Replicated((), fail)
    found = listed(faults, resources, "resources", lambda faults, each, _: _take(faults, each, rename=bool(rename)))
    _warn_of_twins(faults, [shared for shared in found if shared])
    return Replicated(tuple(shared for shared in found if shared), fail)


def take_mps(faults: Faults, item: Item, name: str) -> Replicated | None:
    """Take `mps`, which may be null."""
    return None if item.value is None else take_replicated(faults, item, name)


def _take(faults: Faults, item: Item, *, rename: bool) -> Shared | None:
    if item.value is not None and not isinstance(item.value, dict):
        faults.refuse(item.line, f"resources must each be a mapping, not {kind_of(item)}")
        return None
    given = exact(faults, item, "resources", ("name", "rename", "devices", "replicas"))
    if "name" not in given:
        faults.refuse(item.line, "a resource has no name")
    name = resource_name(faults, given["name"], "name") if "name" in given else None
    if "devices" in given:
        _check_devices(faults, given["devices"])
    replicas = _replicas(faults, item, given.get("replicas"))
    renamed = f"{name}{SHARED}" if rename else ""
    if "rename" in given:
        wanted = resource_name(Faults(), given["rename"], "rename")
        if wanted is None:
            resource_name(faults, given["rename"], "rename")
        elif wanted != renamed:
            line = item.key_lines.get("rename", item.line)
            faults.warn(line, "rename is not supported yet and ignored; renameByDefault is what there is")
    return Shared(name, renamed, replicas, item.line) if name and replicas else None


def _replicas(faults: Faults, resource: Item, item: Item | None) -> int | None:
    if item is None:
        faults.refuse(resource.line, "a resource has no replicas")
        return None
    found = whole(item)
    if found is None and item.value is not None:
        faults.refuse(item.line, f"replicas must be a whole number, not {kind_of(item)}")
        return None
    if found is None or found < MIN_REPLICAS:
        faults.refuse(item.line, f"replicas must be {MIN_REPLICAS} or more; leave the block out for exclusive GPUs")
        return None
    if isinstance(item.value, float):
        faults.warn(item.line, f"replicas is written as a fraction; write {found}")
    return found


def _check_devices(faults: Faults, item: Item) -> None:
    """Refuse what the plugin cannot read; what it can read and is not `all` it drops."""
    count = whole(item)
    if item.value == "all":
        return
    if isinstance(item.value, list):
        wrong = next((each for each in item.value if not _is_device(each)), None)
        if wrong is not None:
            faults.refuse(wrong.line, f"devices: {kind_of(wrong)} is neither an index nor a UUID")
            return
    elif count is None or count <= 0:
        faults.refuse(item.line, f"devices must be all, a count or a list, not {kind_of(item)}")
        return
    faults.warn(item.line, "devices is not supported yet and ignored: all GPUs of the node are shared alike")


def _is_device(item: Item) -> bool:
    """Whether the item is a GPU's or MIG device's index or UUID; Go takes null for index 0."""
    if isinstance(item.value, str):
        match = _DEVICE.fullmatch(item.value)
        return match is not None and all(int(each) <= MAX_UINT for each in match.groups() if each and each.isdecimal())
    value = item.value
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 <= value <= MAX_UINT
    return value is None or (isinstance(value, float) and value == int(value) and 0 <= value <= MAX_UINT)


def _warn_of_twins(faults: Faults, found: list[Shared]) -> None:
    for index, shared in enumerate(found):
        if any(shared.name == earlier.name for earlier in found[:index]):
            faults.warn(shared.line, f"{shared.name} is given twice: the larger number of replicas counts")


def warn_of_unoffered(faults: Faults, resources: tuple[Shared, ...], mig_strategy: str | None) -> None:
    """Warn of names under which the plugin has no device: it skips them (internal/rm/device_map.go)."""
    for shared in resources:
        if shared.name == GPU_RESOURCE:
            continue
        if not shared.name.startswith(MIG_PREFIX):
            faults.warn(shared.line, f"{shared.name} is no resource of the plugin, and ignored; it has {GPU_RESOURCE}")
        elif mig_strategy in {"none", "single"}:
            faults.warn(shared.line, f"{shared.name} exists with migStrategy mixed only, and is ignored")
