"""No change that is allowed takes anything from a pod, whatever runs on the node and whatever the exporter says.

Covered: exclusivity is never lost, no share in use disappears, growth never waits, what is left alone stays so, and
our own smoke pods make no difference.
"""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.cluster import Node, Pod
from gpuops.domain.keys import GPU_RESOURCE, PLUGIN_CONFIG_LABEL, SHARED_GPU_RESOURCE
from gpuops.domain.slicing.change import Readings, Sight, decide_change
from gpuops.domain.slicing.shape import Goal, Shape
from gpuops.domain.tenants import tenants_of
from tests.fakes.samples import held_by

NAMES = [f"default/pod-{place}" for place in range(4)]
RESOURCES = st.sampled_from([GPU_RESOURCE, SHARED_GPU_RESOURCE])
SHAPES = st.builds(Shape, st.integers(1, 8), RESOURCES)
PODS = st.lists(
    st.builds(
        Pod,
        st.sampled_from(["default", "gpuops"]),
        st.sampled_from([name.partition("/")[2] for name in NAMES]),
        phase=st.sampled_from(["Pending", "Running", "Succeeded"]),
        deleting=st.booleans(),
        gpus=st.integers(0, 2),
    ).map(lambda pod: replace(pod, smoke=pod.namespace == "gpuops")),
    max_size=4,
    unique_by=lambda pod: pod.title,
)
READINGS = st.none() | st.dictionaries(
    st.sampled_from(["GPU-1", "GPU-2"]), st.dictionaries(st.integers(0, 7), st.sampled_from(NAMES))
).map(lambda found: {uuid: held_by(uuid, holders) for uuid, holders in found.items()})
NODES = st.builds(
    Node,
    name=st.just("n1"),
    gpus=st.just(1),
    ready=st.booleans(),
    unschedulable=st.booleans(),
    mig=st.booleans(),
    labels=st.sampled_from([{}, {PLUGIN_CONFIG_LABEL: "was"}, {"nvidia.com/gpu.deploy.device-plugin": "true"}]),
)


def decide(node: Node, pods: list[Pod], now: Shape | None, wanted: Shape, readings: Readings | None) -> str:
    """One decision of a run."""
    return decide_change(Sight(node, pods, now, readings), Goal("wanted", wanted), "run-1").status


@given(PODS, st.none() | SHAPES, SHAPES, READINGS)
def test_whoever_was_promised_a_whole_gpu_keeps_it(
    pods: list[Pod], now: Shape | None, wanted: Shape, readings: Readings | None
) -> None:
    """And whoever came for a share, under its name, keeps that."""
    if decide(Node(name="n1", gpus=1), pods, now, wanted, readings) == "change" and tenants_of(pods):
        assert now is not None
        assert (now.shared, now.resource) == (wanted.shared, wanted.resource)


@given(PODS, SHAPES, SHAPES, READINGS)
def test_no_share_in_use_disappears(pods: list[Pod], now: Shape, wanted: Shape, readings: Readings | None) -> None:
    """What the exporter does not show counts as in use."""
    if decide(Node(name="n1", gpus=1), pods, now, wanted, readings) != "change" or wanted.replicas >= now.replicas:
        return
    held = [(index, title) for reading in (readings or {}).values() for index, title in reading.holders.items()]
    for pod in tenants_of(pods):
        assert sum(title == pod.title for _, title in held) >= pod.gpus
        assert all(index < wanted.replicas for index, _ in held)


@given(PODS, st.integers(2, 8), st.integers(0, 8), RESOURCES)
def test_more_shares_never_wait(pods: list[Pod], replicas: int, more: int, resource: str) -> None:
    """Nobody loses anything, so nobody is asked."""
    now, wanted = Shape(replicas, resource), Shape(replicas + more, resource)

    assert decide(Node(name="n1", gpus=1), pods, now, wanted, None) == "change"


@given(NODES, st.none() | SHAPES, SHAPES)
def test_what_is_not_ours_is_never_changed(node: Node, now: Shape | None, wanted: Shape) -> None:
    """Not even when it is empty."""
    foreign = (
        node.mig or not node.ready or node.unschedulable or (PLUGIN_CONFIG_LABEL not in node.labels and node.labels)
    )

    assert (decide(node, [], now, wanted, None) == "left") == bool(foreign)


@given(PODS, SHAPES, SHAPES, READINGS)
def test_a_smoke_is_disturbed_no_more_than_a_tenant(
    pods: list[Pod], now: Shape, wanted: Shape, readings: Readings | None
) -> None:
    """Its pod has a GPU, or a share, too, and ends within its deadline."""
    tenants = [replace(pod, smoke=False) for pod in pods]

    assert decide(Node(name="n1", gpus=1), pods, now, wanted, readings) == decide(
        Node(name="n1", gpus=1), tenants, now, wanted, readings
    )
