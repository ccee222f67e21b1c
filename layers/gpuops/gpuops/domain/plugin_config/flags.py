"""The parts of the device plugin's file that are not sharing: flags, imex, resources.

Fields and types as of v0.20.0 (k8s-device-plugin, api/config/v1/{flags,imex,resources}.go); a value that the parser
takes may still end the plugin when it starts (cmd/nvidia-device-plugin/main.go, validateFlags).
"""

from collections.abc import Collection
from typing import Any

from gpuops.domain.plugin_config.gojson import Faults, duration, exact, flag, kind_of, listed, number, struct, text
from gpuops.domain.plugin_config.goyaml import Item
from gpuops.domain.plugin_config.resource_name import resource_name

LIST_STRATEGIES = ("envvar", "volume-mounts", "cdi-annotations", "cdi-cri")
MIG_MIXED = "mixed"


def _choice(*known: str) -> Any:
    def take(faults: Faults, item: Item, name: str) -> str | None:
        found = text(faults, item, name)
        _expect(faults, item.line, name, [found] if found is not None else [], known)
        return found

    return take


def _expect(faults: Faults, line: int, name: str, found: Collection[str], known: Collection[str]) -> None:
    """Warn of what the parser takes, but not the plugin when it starts."""
    for value in found:
        if value not in known:
            what = f"{name}: {value!r} is none of {', '.join(known)}"
            faults.warn(line, f"{what}: the file is read, and then the plugin exits")


def _list_strategy(faults: Faults, item: Item, name: str) -> None:
    """One string or a list of them (flags.go, deviceListStrategyFlag)."""
    if item.value is None:
        return
    values = item.value if isinstance(item.value, list) else [item]
    if not all(isinstance(each.value, str) or (each.value is None and each is not item) for each in values):
        faults.refuse(item.line, f"{name} must be text or a list of texts, not {kind_of(item)}")
        return
    _expect(faults, item.line, name, [str(each.value or "") for each in values], LIST_STRATEGIES)
    if not values:
        faults.warn(item.line, f"{name} is empty: the file is read, and then the plugin exits")


PLUGIN = {
    "passDeviceSpecs": flag,
    "deviceListStrategy": _list_strategy,
    "deviceIDStrategy": _choice("uuid", "index"),
    "cdiAnnotationPrefix": text,
    "nvidiaCTKPath": text,
    "containerDriverRoot": text,
    "sharedDevicesAllocationPolicy": _choice("distributed", "packed"),
}
GFD = {"oneshot": flag, "noTimestamp": flag, "sleepInterval": duration, "outputFile": text, "machineTypeFile": text}
FLAGS = {
    "migStrategy": _choice("none", "single", MIG_MIXED),
    "failOnInitError": flag,
    "mpsRoot": text,
    "nvidiaDriverRoot": text,
    "nvidiaDevRoot": text,
    "gdrcopyEnabled": flag,
    "gdsEnabled": flag,
    "mofedEnabled": flag,
    "useNodeFeatureAPI": flag,
    "deviceDiscoveryStrategy": _choice("auto", "nvml", "tegra"),
    "plugin": lambda faults, item, name: struct(faults, item, name, PLUGIN),
    "gfd": lambda faults, item, name: struct(faults, item, name, GFD),
}


def take_flags(faults: Faults, item: Item, name: str) -> dict[str, Any]:
    """Take `flags`."""
    return struct(faults, item, name, FLAGS)


def take_imex(faults: Faults, item: Item, name: str) -> None:
    """Take `imex`; the plugin starts with no channel or with channel 0 only."""
    struct(faults, item, name, {"channelIDs": _channels, "required": flag})


def _channels(faults: Faults, item: Item, name: str) -> None:
    before = len(faults)
    found = listed(faults, item, name, number)
    if len(faults) == before and [each or 0 for each in found] not in ([], [0]):
        faults.warn(item.line, f"{name} may only be [] or [0]: the file is read, and then the plugin exits")


def take_resources(faults: Faults, item: Item, name: str) -> None:
    """Take `resources`, which is checked and then dropped (config.go, DisableResourceNamingInConfig)."""
    taken = struct(faults, item, name, {"gpus": _patterns, "mig": _patterns})
    if any(taken.values()):
        faults.warn(item.line, f"{name} is not supported yet and ignored")


def _patterns(faults: Faults, item: Item, name: str) -> list[Any]:
    return listed(faults, item, name, _pattern)


def _pattern(faults: Faults, item: Item, name: str) -> bool:
    given = exact(faults, item, name, ("pattern", "name"))
    for key in ("pattern", "name"):
        if key not in given:
            faults.refuse(item.line, f"{name} must each have a {key!r}")
    if "pattern" in given:
        text(faults, given["pattern"], "pattern")
    if "name" in given:
        resource_name(faults, given["name"], "name")
    return True
