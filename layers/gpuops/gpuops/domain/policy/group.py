"""What fleet.yaml may say about a node group, field by field.

A key that is accepted and does nothing would be a promise broken in silence, so the models know only what the
code honours, and everything else is an error.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from gpuops.domain.nodeview import Family
from gpuops.domain.policy.canary import Canary, RollBack
from gpuops.domain.policy.cuda import Cuda
from gpuops.domain.policy.drain import Drain
from gpuops.domain.policy.parts import EXCLUSIVE, Architecture, ConfigKey, Name, Part, PipelineArn
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.policy.remediation import Remediation
from gpuops.domain.policy.smoke import Smoke
from gpuops.domain.policy.strategy import Floor
from gpuops.domain.policy.window import TimeZone, Window
from gpuops.domain.run import Mode


class Recommended(Part):
    """The AMI that AWS recommends for the cluster's Kubernetes version, read from a public SSM parameter."""

    channel: Literal["recommended"] = "recommended"
    """AWS's own recommendation, as it changes."""
    family: Family = "al2023"
    """Of the image: Amazon Linux 2023, whose user data is a NodeConfig, or Bottlerocket, whose user data is TOML."""
    architecture: Architecture = "x86_64"
    """Of the group's instance types."""


class Pinned(Part):
    """One AMI named by the operator; it must exist and be available."""

    channel: Literal["pinned"]
    """This one AMI, until the operator names another."""
    family: Family = "al2023"
    """Of the image: Amazon Linux 2023, whose user data is a NodeConfig, or Bottlerocket, whose user data is TOML."""
    architecture: Architecture = "x86_64"
    """Of the group's instance types."""
    id: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$")]
    """The AMI's id."""
    release: Annotated[str, Field(min_length=1, max_length=100)]
    """How reports and events name the AMI: an id alone says nothing to a reader."""


class ImagePipeline(Part):
    """The newest image that a pipeline of EC2 Image Builder has built, in this account and region."""

    channel: Literal["image_pipeline"]
    """As the pipeline builds."""
    family: Family = "al2023"
    """Of the image: Amazon Linux 2023, whose user data is a NodeConfig, or Bottlerocket, whose user data is TOML."""
    architecture: Architecture = "x86_64"
    """Of the group's instance types."""
    pipeline: PipelineArn
    """The pipeline's ARN; its *AVAILABLE* event wakes the group at once."""


def _channel(value: Any) -> Any:
    """Return which kind of AMI is meant; `recommended` needs no saying."""
    return value.get("channel", "recommended") if isinstance(value, dict) else getattr(value, "channel", None)


Ami = Annotated[
    Annotated[Recommended, Tag("recommended")]
    | Annotated[Pinned, Tag("pinned")]
    | Annotated[ImagePipeline, Tag("image_pipeline")],
    Discriminator(_channel),
]


class Approval(Part):
    """Whether a person has to say yes before a roll begins."""

    required: bool = False
    """Ask on the stack's topic, and wait; without an answer nothing is changed."""
    expires_hours: Annotated[float, Field(ge=0.25, le=720)] = 72
    """How long the request stands; then the run ends without a change. The release is told, and asked for, again."""


class Admission(Part):
    """How long a new node may take until it carries workload, and how many may fail."""

    deadline_minutes: Annotated[int, Field(ge=5, le=240)] = 30
    """From the launch until the node must be registered and show all of its GPUs; then it is abandoned. A look
    every 10 s, which is the most, makes 12,960 of the 25,000 events of an execution's history in four hours."""
    abandon_limit: Annotated[int, Field(ge=1, le=100)] = 10
    """So many unhealthy instances in a row suspend the group's Launch process: Auto Scaling would go on launching."""
    retry_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    """How long Launch stays suspended; then one more failure suspends it again, and one success forgets them all."""


class GroupPolicy(Part):
    """Everything that is decided about one node group."""

    cluster: Name
    """Name of the EKS cluster."""
    group: Name
    """Name of the Auto Scaling group; unique in its account and region, so it is the key of every lock."""
    ami: Ami = Recommended()
    """Which AMI the group should run."""
    mode: Mode = "observe"
    """`apply` rolls and admits; `observe` and `recommend` only plan and report."""
    hold_days: Annotated[int, Field(ge=0, le=365)] = 0
    """How long a release must have been known before the group rolls to it."""
    windows: Annotated[tuple[Window, ...], Field(max_length=28)] = ()
    """When nodes may be replaced; outside no new one is begun, and the one in hand is finished. Not given: always."""
    time_zone: TimeZone = "UTC"
    """IANA name of the zone whose wall clock the windows mean, such as Europe/Berlin."""
    approval: Approval = Approval()
    """Whether a person is asked first."""
    cuda: Cuda = Cuda()
    """What its workloads need of a driver."""
    allow_downgrade: bool = False
    """Roll also to a release that was withdrawn, or that is older, or has an older driver, than what the group runs."""
    nodegroup: Name | None = None
    """Name of the EKS node group that made the Auto Scaling group, and with which the names of its followers begin."""
    strategy: Literal["auto", "surge", "terminate_first", "replace_root_volume", "managed", "managed_blue_green"] = (
        "surge"
    )
    """`surge`: new nodes first, old ones after. `terminate_first`: an old node goes before its successor comes, where
    capacity is fixed (a reservation, a capacity block): the group never grows, and is smaller by a node meanwhile.
    `replace_root_volume`: each instance stays, is emptied, restarts from a root volume of the AMI and is admitted anew;
    not with Bottlerocket, not on metal, and not where the AMI's root volume is smaller than the launch template's.
    `managed`: EKS's own update of a managed node group, which cannot be paused, cancelled or undone: order, surge,
    patience and floor are EKS's, there is no canary, and of `drain` only `on_deadline: force` counts.
    `managed_blue_green`: into a new node group of the release, named after `nodegroup`, node by node as with `surge`:
    it can pause, bake and go back; the old node group is deleted once all nodes are verified.
    `auto`: as `surge`, unless reservation, subnets, quota or a failed launch say that it cannot; then instances stay if
    they can, and else old nodes go first. The plan says why."""
    update_strategy: Literal["DEFAULT", "MINIMAL"] | None = None
    """Of EKS's update: `DEFAULT` adds nodes first, `MINIMAL` terminates first, where GPUs are scarce. Not given: as the
    node group says."""
    surge: Annotated[int, Field(ge=1, le=40)] = 1
    """Extra nodes, and so nodes replaced at a time; an inline Map runs at most 40. With `terminate_first` and
    `replace_root_volume`: nodes out of service at a time."""
    floor: Floor = Floor()
    """Where old nodes go first, or stay: how many nodes must stay in service whatever happens."""
    on_no_capacity: Literal["hold", "next", "fail"] = "hold"
    """What a roll does when Auto Scaling cannot launch for want of instances, reservation, quota or addresses. `hold`
    waits for them and calls people; `next` goes on without more: instances stay where EC2 is known to allow that, else
    old nodes go first, down to `floor`, and where that does not help it holds; `fail` ends the roll at
    `claim_deadline_minutes`."""
    capacity_wait_hours: Annotated[int, Field(ge=1, le=240)] = 24
    """How long it holds; then the roll stops, and is put back."""
    canary: Canary = Canary()
    """What is proved on a few nodes before the others follow."""
    max_failed_admissions: Annotated[int, Field(ge=0, le=100)] = 3
    """So many new nodes of a roll may fail their admission before the release is taken for bad; of canaries none."""
    roll_back: RollBack = RollBack()
    """What becomes of nodes that run a release which proved to be bad."""
    drain: Drain = Drain()
    """How a node is emptied."""
    job_grace_hours: Annotated[float, Field(ge=0, le=720)] = 24
    """How long a drain waits for training, and for pods that an annotation protects, before its deadline begins to
    count; what comes after it for training says `drain.after_grace`."""
    claim_deadline_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    """How long a slot of the roll waits for an admitted new node; then the roll stops, and is put back."""
    admission: Admission = Admission()
    """How long a new node may take."""
    smoke: Smoke = Smoke()
    """What a new node must pass."""
    remediation: Remediation = Remediation()
    """What is done about faulty GPUs."""
    sharing: ConfigKey = EXCLUSIVE
    """The configuration of the device plugin that the group's nodes carry: `exclusive`, a rung, or a profile's name."""
    sharing_wait_minutes: Annotated[int, Field(ge=1, le=10_080)] = 360
    """How long a change of `sharing` waits for GPU pods to leave a node by themselves, before the run gives up."""

    rebalance: Rebalance | None = None
    """How the shares of its GPUs follow its load, from what `sharing` says on; not given: they do not."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse keys that would do nothing."""
        if self.strategy.startswith("managed") != (self.nodegroup is not None):
            raise PydanticCustomError("nodegroup", "`nodegroup` belongs to `strategy: managed` and managed_blue_green")
        if self.update_strategy and self.strategy != "managed":
            raise PydanticCustomError("update_strategy", "`update_strategy` is for `strategy: managed`")
        return self
