"""How an exporter's pod was set up to show what it measures: its environment, and the list of counters it mounts."""

from collections.abc import Callable, Iterator, Mapping
from posixpath import basename, dirname
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.exporter import View

ConfigMaps = Callable[[str, str], Mapping[str, str] | None]
"""The data of a ConfigMap by namespace and name."""
VIRTUAL: Final = "KUBERNETES_VIRTUAL_GPUS"
POD_UID: Final = "DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID"
COLLECTORS: Final = "DCGM_EXPORTER_COLLECTORS"
FLAGS: Final = ("-f", "--collectors")


def view_of(pod: Json, config_maps: ConfigMaps) -> View:
    """Read an exporter's pod; a list of counters that cannot be found asks for nothing, and so it shows nothing."""
    (container,) = [c for c in pod["spec"]["containers"] if "dcgm-exporter" in c["image"]][:1]
    env = {item["name"]: item.get("value", "") for item in container.get("env") or ()}
    path = _listed(container) or env.get(COLLECTORS)
    on = {name: env.get(name, "").lower() == "true" for name in (VIRTUAL, POD_UID)}
    counters = None
    if path is not None and (mount := _mount(container, path)) is not None:
        counters = frozenset(_names(_file(pod, mount, path, config_maps)))
    return View(virtual=on[VIRTUAL], pod_uid=on[POD_UID], counters=counters)


def _listed(container: Json) -> str | None:
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    for word, following in zip(words, [*words, ""][1:], strict=True):
        flag, _, value = word.partition("=")
        if flag in FLAGS:
            return str(value or following)
    return None


def _mount(container: Json, path: str) -> Json | None:
    """The mount that brings the file; None where it is the image's own."""
    mounts: list[Json] = container.get("volumeMounts") or []
    return next((m for m in mounts if m["mountPath"].rstrip("/") in (path, dirname(path))), None)


def _file(pod: Json, mount: Json, path: str, config_maps: ConfigMaps) -> str:
    volume = next(v for v in pod["spec"]["volumes"] if v["name"] == mount["name"])
    source = volume.get("configMap") or {}
    data = config_maps(pod["metadata"]["namespace"], source.get("name", "")) or {}
    wanted = str(mount.get("subPath") or basename(path))
    keys = {item["path"]: item["key"] for item in source.get("items") or ()}
    return data.get(keys.get(wanted, wanted), "")


def _names(text: str) -> Iterator[str]:
    """The first field of each line that is no comment."""
    for line in text.splitlines():
        name = line.partition(",")[0].strip()
        if name and not name.startswith("#"):
            yield name
