"""Which stages a smoke has, by who works on the node, what the policy wants and how much memory is free."""

import pytest

from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.policy import Smoke
from gpuops.domain.smoke.plan import MAX_PODS, Plan, plan_smoke

R4 = Expected(gpus=2, replicas=4)
NODE = Node("n", gpus=8)
TENANT = Pod("default", "t", gpus=3)


def plan(
    *pods: Pod, node: Node = NODE, expected: Expected = R4, free: dict[str, int] | None = None, **policy: object
) -> Plan:
    """The plan of a node with these pods."""
    return plan_smoke(node, pods, expected, Smoke.model_validate(policy), free)


def shots(found: Plan) -> list[tuple[str, int, int]]:
    """Stage, pods and amount of each."""
    return [(shot.stage, shot.pods, shot.amount) for shot in found.shots]


def test_an_empty_node_is_tried_from_its_driver_to_its_last_share() -> None:
    """One pod more than there are shares."""
    assert shots(plan()) == [("device", 1, 1), ("overlap", 9, 1)]
    assert shots(plan(expected=Expected(gpus=2))) == [("device", 1, 2), ("overlap", 3, 1)]


def test_the_policy_chooses_overlap_and_diagnostic() -> None:
    """The diagnostic of a shared node takes a pod for each GPU; its time is its own."""
    found = plan(overlap=False, diagnostic_level=3, diagnostic_minutes=90)

    assert shots(found) == [("device", 1, 1), ("diagnostic", 2, 1)]
    assert [shot.timeout_seconds for shot in found.shots] == [600, 5400]
    assert shots(plan(expected=Expected(gpus=2), diagnostic_level=1))[-1] == ("diagnostic", 1, 2)


@pytest.mark.parametrize(
    "pod",
    [Pod("gpuops", "s", gpus=1, smoke=True), Pod("default", "done", gpus=1, phase="Succeeded"), Pod("default", "cpu")],
)
def test_only_pods_that_hold_gpus_are_tenants(pod: Pod) -> None:
    """Neither a smoke's own pods, which a repeated call would meet, nor finished ones."""
    assert plan(pod).shots[0].stage == "device"


@pytest.mark.parametrize(
    ("free", "pods"),
    [
        (None, 1),
        ({"a": 9000, "b": 9000}, 5),
        ({"a": 9000, "b": 100}, 1),
        ({"a": 2048, "b": 2047}, 1),
    ],
)
def test_beside_tenants_only_free_shares_with_room_are_tried(free: dict[str, int] | None, pods: int) -> None:
    """All of them where every GPU has room; one where nobody knows."""
    found = plan(TENANT, free=free)

    assert shots(found) == [("slices", pods, 1)]
    assert "1 tenants and 5 free shares" in found.reason


def test_nothing_is_tried_where_there_is_no_room() -> None:
    """No free share, or no memory."""
    assert plan(TENANT, Pod("default", "u", gpus=5)).status == "refused"
    assert plan(TENANT, free={"a": 10, "b": 10}).reason.endswith("no GPU has 2048 MiB free")


def test_renamed_shares_are_counted_under_their_name() -> None:
    """What the node offers as nvidia.com/gpu is nothing then."""
    renamed = R4.model_copy(update={"resource": "nvidia.com/gpu.shared"})

    assert plan(TENANT, expected=renamed).status == "refused"
    assert plan(TENANT, node=Node("n", shared_gpus=8), expected=renamed).status == "planned"


def test_a_mig_node_is_left_alone() -> None:
    """With a word."""
    found = plan(node=Node("n", mig=True))

    assert (found.status, found.shots, "MIG" in found.reason) == ("skipped", (), True)


def test_the_number_of_pods_is_bounded() -> None:
    """The largest node with the policy's largest profile still fits; a machine with more does not."""
    assert plan(expected=Expected(gpus=8, replicas=48)).shots[1].pods == 385
    assert plan(expected=Expected(gpus=16, replicas=48)).status == "refused"
    assert plan(TENANT, node=Node("n", gpus=999), free={"a": 9999}).shots[0].pods == MAX_PODS


@pytest.mark.parametrize(("seconds", "pause"), [(30, 15), (600, 15), (1800, 18), (86_400, 300)])
def test_the_pauses_of_the_longest_stage_fit_an_executions_history(seconds: int, pause: int) -> None:
    """Ten events a look, at most."""
    shot = Shot(stage="diagnostic", pods=1, timeout_seconds=seconds)

    assert shot.wait_seconds == pause
    assert seconds / pause * 10 < 20_000
