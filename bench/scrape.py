"""Times one look at a large cluster: its exporters asked through the product's adapter, their texts read into samples.

The apiserver is stood in for by an object that answers after `milliseconds`, as its proxy to a pod does (assumed, not
measured); asking several at once and reading are the product's own. Each text has the series of dcgm-exporter's default
list for every GPU and, as with virtual GPUs, once more for each of its pods.

Printed: {"nodes", "gpus", "bytes_per_node", "seconds", "cpu_seconds", "peak_mib", "limit_seconds", "limit_mib", "met"}.
`cpu_seconds` is what one core spends, nearly all of it on texts; `peak_mib` is of the whole process, Python and imports
included. The limits are those of plan_slicing, whose memory buys one whole core (AWS Lambda's guide: 1,769 MB).
"""

import resource
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gpuops.adapters.kube import Kube
from gpuops.adapters.metrics import Metrics

LIMIT_SECONDS, LIMIT_MIB = 60.0, 1769
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MILLISECONDS, KIB = 1000.0, 1024
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

    def get_text(self, path: str, query: Any = (), most: int = 0) -> str:  # noqa: ARG002 - every exporter says the same
        """The text, after a while."""
        time.sleep(self._seconds)
        return self._text


def scrape(nodes: int = 1000, gpus: int = 8, milliseconds: float = 20.0) -> dict[str, Any]:
    """Look once at so many nodes with so many GPUs each."""
    text = _text(gpus)
    names = [f"node-{place}" for place in range(nodes)]
    metrics = Metrics(_Apiserver(names, text, milliseconds))
    started, spent = time.perf_counter(), time.process_time()
    readings = metrics.read_all(names, NOW)
    seconds, cpu = time.perf_counter() - started, time.process_time() - spent
    read = sum(len(reading.gpus) for reading in readings.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
    return {
        "nodes": nodes,
        "gpus": read,
        "bytes_per_node": len(text),
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu, 4),
        "peak_mib": round(peak, 1),
        "limit_seconds": LIMIT_SECONDS,
        "limit_mib": LIMIT_MIB,
        "met": read == nodes * gpus and seconds <= LIMIT_SECONDS and peak <= LIMIT_MIB,
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
