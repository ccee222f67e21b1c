"""Times one look at a large cluster: its exporters asked through the product's adapter, their texts read into samples.

The apiserver is stood in for by an object that answers after `milliseconds`, as its proxy to a pod does (assumed, not
measured); asking several at once and reading are the product's own. Each text has the series of dcgm-exporter's default
list for every GPU and, as with virtual GPUs, once more for each of its pods.

Printed: {"nodes", "gpus", "bytes_per_node", "seconds", "reading_seconds", "limit_seconds", "met"}. `reading_seconds` is
the part that is spent on texts, on one core.
"""

import time
from collections.abc import Sequence
from typing import Any

from gpuops.adapters.kube import Kube
from gpuops.adapters.metrics import Metrics
from gpuops.domain.dcgm.parse import read_samples

LIMIT_SECONDS = 60.0
MILLISECONDS = 1000.0
PODS = 2
NAMES = (
    *(f"DCGM_FI_DEV_{n}" for n in ("SM_CLOCK", "MEM_CLOCK", "MEMORY_TEMP", "GPU_TEMP", "POWER_USAGE", "GPU_UTIL")),
    *(f"DCGM_FI_DEV_{n}" for n in ("TOTAL_ENERGY_CONSUMPTION", "PCIE_REPLAY_COUNTER", "MEM_COPY_UTIL", "ENC_UTIL")),
    *(f"DCGM_FI_DEV_{n}" for n in ("DEC_UTIL", "XID_ERRORS", "FB_FREE", "FB_USED", "FB_RESERVED")),
    *(f"DCGM_FI_PROF_{n}" for n in ("GR_ENGINE_ACTIVE", "PIPE_TENSOR_ACTIVE", "DRAM_ACTIVE")),
)


class _Apiserver(Kube):
    """Answers with the exporters' pods, and with one text for each."""

    def __init__(self, names: Sequence[str], text: str, milliseconds: float) -> None:  # no connection is made
        self._names, self._text, self._seconds = names, text, milliseconds / MILLISECONDS

    def get_all(self, path: str, query: Any = ()) -> Any:  # noqa: ARG002 - the adapter asks for nothing else
        """The pods, for the first of the two labels by which exporters are known."""
        if not any("app.kubernetes.io" in value for _, value in query):
            return []
        return [{"metadata": {"namespace": "gpuops-system", "name": n}, "spec": {"nodeName": n}} for n in self._names]

    def get_text(self, path: str, query: Any = ()) -> str:  # noqa: ARG002 - every exporter says the same
        """The text, after a while."""
        time.sleep(self._seconds)
        return self._text


def scrape(nodes: int = 1000, gpus: int = 8, milliseconds: float = 20.0) -> dict[str, Any]:
    """Look once at so many nodes with so many GPUs each."""
    text = _text(gpus)
    names = [f"node-{place}" for place in range(nodes)]
    metrics = Metrics(_Apiserver(names, text, milliseconds))
    started = time.perf_counter()
    texts = metrics.scrape_all(names)
    asked = time.perf_counter()
    read = sum(len(read_samples(found, node)) for node, found in texts.items() if found)
    ended = time.perf_counter()
    return {
        "nodes": nodes,
        "gpus": read,
        "bytes_per_node": len(text),
        "seconds": round(ended - started, 4),
        "reading_seconds": round(ended - asked, 4),
        "limit_seconds": LIMIT_SECONDS,
        "met": read == nodes * gpus and ended - started <= LIMIT_SECONDS,
    }


def _text(gpus: int) -> str:
    """One node's exposition."""
    lines = []
    for name in NAMES:
        for gpu in range(gpus):
            device = f'gpu="{gpu}",UUID="GPU-{gpu}",pci_bus_id="00000000:{gpu}:00.0",device="nvidia{gpu}"'
            device += ',modelName="NVIDIA H100",Hostname="host",DCGM_FI_DRIVER_VERSION="580.105.08"'
            shares = (f',vgpu="{s}",namespace="default",pod="web-{s}",pod_uid="u{gpu}{s}"' for s in range(PODS))
            lines += [f"{name}{{{device}{share}}} 1" for share in ("", *shares)]
    return "\n".join(lines) + "\n"
