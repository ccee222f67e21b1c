"""One GPU at one scrape, as decisions see it.

Under sharing with KUBERNETES_VIRTUAL_GPUS a device's series is repeated for each pod with the labels `vgpu`, `pod` and
`namespace`, and since 4.5.3-4.8.2 the device's own stays beside them without. Values are therefore taken from the
latter where it is there, and never added up over both. Of a pod's series only GPU_UTIL and FB_USED are its own, and
only where the exporter maps processes by pod UID (dcgm-exporter #594): everything else is a copy of the device's.
"""

from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, computed_field

YEAR_2100 = 4_102_444_800


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class PodShare(_Value):
    """A pod that the exporter names at a GPU; None where it does not say what the pod itself uses."""

    namespace: str
    pod: str
    container: str = ""
    uid: str = ""
    replica: int | None = None
    """The share that it holds, counted from 0, where virtual GPUs are told apart."""
    busy_ratio: float | None = None
    memory_used_mib: int | None = None

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.namespace}/{self.pod}"


class GpuSample(_Value):
    """One GPU at one scrape; None stands for what the exporter does not say. Ratios are 0 to 1."""

    node: str = ""
    """As whoever scraped it says, else the exporter's `Hostname`, which may be its own pod's."""
    uuid: str
    index: int | None = None
    product: str = ""
    driver: str = ""
    time: AwareDatetime | None = None
    busy_ratio: float | None = None
    busy_source: Literal["GR_ENGINE_ACTIVE", "GPU_UTIL"] | None = None
    """GPU_UTIL counts the time in which any kernel ran, so it overstates: a T4 at 91 percent had 0.16 of the other."""
    memory_used_mib: int | None = None
    memory_free_mib: int | None = None
    memory_reserved_mib: int | None = None
    memory_total_mib: int | None = None
    memory_copy_ratio: float | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    last_xid: int | None = None
    """0 is none."""
    xids: tuple[int, ...] = ()
    """Every Xid that it shows at all, the last one and counted ones."""
    violations: dict[str, float] = {}
    """Throttling counters by cause, as they stand: their unit differs by version, so only growth means something."""
    clock_events: dict[str, int] = {}
    """How often clocks were held back within the exporter's window, by cause."""
    pods: tuple[PodShare, ...] = ()
    mig: tuple[str, ...] = ()
    """`profile/id` of its MIG instances: a GPU that is partitioned is nobody's to share."""
    problems: tuple[str, ...] = ()
    """What in its series contradicts itself, or cannot be: nobody should decide by such a sample."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shared(self) -> bool:
        """Whether the exporter tells shares of it apart."""
        return any(pod.replica is not None for pod in self.pods)

    @property
    def holders(self) -> dict[int, str]:
        """Who holds which replica: `namespace/pod` by index; empty where no replicas are told apart."""
        return {pod.replica: pod.title for pod in self.pods if pod.replica is not None}


def moment(seconds: float | None) -> datetime | None:
    """Return a time of the text, which Prometheus counts from 1970; None for one that no scrape can have had."""
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 0 <= seconds < YEAR_2100 else None
