"""What facts refuse before a node is touched, and what they let pass.

Covered: Kubernetes' skew both ways, architectures and boards against drivers, unknown drivers, floors, what workloads
require, drivers newer than the tables, what a plan keeps of it, whose word on a driver counts.
"""

from dataclasses import replace
from typing import Any

import pytest

from gpuops.domain.drivers.catalogue import driver_catalogue
from gpuops.domain.drivers.cuda import cuda_table
from gpuops.domain.drivers.kinds import GpuType
from gpuops.domain.drivers.releases import Release
from gpuops.domain.drivers.workloads import Need
from gpuops.domain.policy import Cuda, GroupPolicy
from gpuops.domain.rotation.fact_gates import first_refusal
from gpuops.domain.rotation.facts import MAX_LINES, UNKNOWN, Driver, Facts, Named, driver_of, sight_of
from tests.fakes.facts import FACTS, GROUP, R580, T4

EVERY_BRANCH = "cuda>=13.2 brand=tesla,driver>=535,driver<536 brand=nvidia,driver>=570,driver<571"


def having(**cuda: Any) -> GroupPolicy:
    """Return the group with these wishes."""
    return GROUP.model_copy(update={"cuda": Cuda.model_validate(cuda)})


def needing(*requires: str) -> Facts:
    """Return the facts of a group with one workload."""
    return replace(FACTS, needs=(Need("default/chat", "registry.example/chat:1", "environment", requires),))


def test_what_is_known_and_fits_closes_nothing() -> None:
    """Neither does what nobody knows, by itself."""
    assert first_refusal(FACTS, GROUP) is None
    assert first_refusal(Facts(), GROUP) is None
    assert first_refusal(needing("cuda>=12.4", "driver>=550"), having(floor="13.1", driver_floor="580")) is None


@pytest.mark.parametrize(
    ("minor", "control_plane", "words"),
    [
        ("1.37", "1.36", "is for Kubernetes 1.37, newer than the control plane's 1.36"),
        ("1.36", "1.36", None),
        ("1.33", "1.36", None),
        ("1.32", "1.36", "is for Kubernetes 1.32, more than 3 minors older than 1.36"),
    ],
)
def test_kubelet_may_be_three_minors_older_and_never_newer(minor: str, control_plane: str, words: str | None) -> None:
    """No waiting mends it: rejected."""
    closed = first_refusal(replace(FACTS, release=Release(minor), kubernetes=control_plane), GROUP)

    assert (closed and closed.never, closed and closed.reason) == (words and True, words and f"{FACTS.ami} {words}")


@pytest.mark.parametrize(
    ("types", "driver", "reason"),
    [
        (["g4dn.xlarge", "g7.xlarge"], "580.159.03", "g7 (RTX PRO 4500) needs driver R595 or newer"),
        (["g7.xlarge", "p3.2xlarge"], "595.45.04", "p3 (V100) needs a driver older than R590"),
        (["g7.xlarge", "g4dn.xlarge"], "595.45.04", None),
        (["trn1.2xlarge", "m7i.large"], "595.45.04", None),
    ],
)
def test_every_type_of_the_group_must_take_the_driver(types: list[str], driver: str, reason: str | None) -> None:
    """Overrides of a mixed group, too; a family that the table does not know closes nothing."""
    facts = replace(FACTS, types=tuple(GpuType(name) for name in types), driver=Driver(driver, "13.0"))
    closed = first_refusal(facts, GROUP)

    assert (closed and closed.never, closed and closed.reason) == (
        reason and True,
        reason and f"{reason}; {FACTS.ami} has driver {driver} (CUDA 13.0)",
    )


def test_a_type_of_another_architecture_never_boots_the_ami() -> None:
    """By EC2's own description, where there is one."""
    closed = first_refusal(replace(FACTS, types=(T4, replace(T4, name="g5g.xlarge", architectures=("arm64",)))), GROUP)

    assert closed is not None
    assert (closed.never, closed.reason) == (True, f"{FACTS.ami} is for x86_64; g5g.xlarge is arm64")


def test_an_unknown_driver_is_held_only_where_the_policy_says_so() -> None:
    """Held, not rejected: a word in the policy opens it."""
    facts = replace(needing("cuda>=99"), driver=UNKNOWN)
    closed = first_refusal(facts, having(unknown_driver="hold", floor="13.0"))

    assert first_refusal(facts, having(floor="99.0")) is None
    assert closed is not None
    assert (closed.never, closed.until) == (False, None)
    assert closed.reason.startswith(f"nobody knows the driver of {FACTS.ami}: name it")


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"driver_floor": "580.159.04"}, "the policy's cuda.driver_floor is 580.159.04; A has driver 580.159.03"),
        ({"floor": "14.0"}, "the policy's cuda.floor needs CUDA 14.0; A has driver 580.159.03 (CUDA 13.0): CUDA 14.0"),
        ({"driver_floor": "580.159.03", "floor": "13.3"}, None),
    ],
)
def test_the_policys_floors_hold_for_every_workload(wishes: dict[str, str], reason: str | None) -> None:
    """A toolkit is judged as NVIDIA promises: within its major version an older driver runs it."""
    closed = first_refusal(FACTS, having(**wishes))

    assert (closed is None) == (reason is None)
    assert closed is None or (closed.never and closed.reason.replace(FACTS.ami, "A").startswith(str(reason)))


@pytest.mark.parametrize(
    ("kind", "package", "fits"),
    [("g4dn.xlarge", True, True), ("g4dn.xlarge", False, False), ("g7e.2xlarge", True, False)],
)
def test_forward_compatibility_takes_the_package_and_a_data_centre_board(kind: str, package: bool, fits: bool) -> None:  # noqa: FBT001 - columns
    """R570 serves CUDA 13 by neither of NVIDIA's other two promises."""
    facts = replace(FACTS, driver=Driver("570.195.03", "12.8"), types=(GpuType(kind),))

    assert (first_refusal(facts, having(floor="13.0", compat_package=package)) is None) is fits


@pytest.mark.parametrize(
    ("required", "words"),
    [
        (EVERY_BRANCH, "requires cuda>=13.2 ..."),
        ("cuda>=13.1", "requires cuda>=13.1"),
        ("driver>=590", "requires driver>=590"),
        ("arch>=8.0", "requires arch>=8.0"),
        ("14.0", "needs CUDA 14.0"),
    ],
)
def test_a_workload_that_the_driver_does_not_serve_is_named_with_its_image(required: str, words: str) -> None:
    """Who, by whose word, what it needs, and what the AMI has."""
    closed = first_refusal(needing("cuda>=12.0", required), GROUP)

    assert closed is not None
    assert closed.never
    who = f"default/chat (registry.example/chat:1, by its environment) {words}; "
    assert closed.reason.startswith(f"{who}{FACTS.ami} has driver 580.159.03 (CUDA 13.0)")


def test_a_driver_newer_than_the_table_is_held_and_not_rejected() -> None:
    """It may serve what the table does not know yet; what it surely serves passes."""
    newer = Driver("640.10", "13.3", at_least=True)
    closed = first_refusal(replace(needing("cuda>=13.9"), driver=newer), GROUP)
    unknown = first_refusal(replace(FACTS, driver=newer), having(floor="14.0"))

    assert closed is not None
    assert unknown is not None
    assert (closed.never, unknown.never) == (False, False)
    assert "CUDA 13.3 or newer" in closed.reason
    assert first_refusal(replace(needing("cuda>=13.3"), driver=newer), GROUP) is None


def test_a_requirement_that_cannot_be_read_is_held() -> None:
    """Somebody has to mend it first."""
    closed = first_refusal(needing("latest"), GROUP)

    assert closed is not None
    assert (closed.never, "cannot be read: 'latest' is no requirement" in closed.reason) == (False, True)


def test_every_board_of_a_mixed_group_must_fulfil_what_is_required() -> None:
    """The pod may land on any of them."""
    mixed = replace(needing("arch>=8.0"), types=(T4, GpuType("g5.xlarge")))

    assert first_refusal(mixed, GROUP) is not None
    assert first_refusal(replace(mixed, types=(GpuType("g5.xlarge"),)), GROUP) is None


@pytest.mark.parametrize(
    ("ami", "name", "drivers", "driver"),
    [
        ("ami-1", "1.36.2-20260714", {}, R580),
        ("ami-1", "1.36.2-20260714", {"ami-1": "595.45.04"}, Driver("595.45.04", "13.2", source="policy")),
        ("ami-1", "1.36.2-20260714", {"1.36.2-20260714": "418.1"}, Driver("418.1", source="policy")),
        ("ami-1", "golden-7", {"golden-7": "640.1"}, Driver("640.1", "13.3", at_least=True, source="policy")),
        ("ami-1", "golden-7", {}, UNKNOWN),
        ("ami-1", "1.36.3-20261120", {}, UNKNOWN),
    ],
)
def test_the_policys_word_on_a_driver_goes_first(ami: str, name: str, drivers: dict[str, str], driver: Driver) -> None:
    """By AMI, then by release; then the catalogue's, and otherwise nobody knows."""
    found = driver_of(Named(ami, (name,)), having(drivers=drivers), driver_catalogue(), cuda_table())

    assert found == driver


def test_a_plan_keeps_a_bounded_summary() -> None:
    """It travels through the state machine."""
    many = tuple(Need(f"default/w-{i}", "x", "image", (EVERY_BRANCH * 50,)) for i in range(60))
    sight = sight_of(replace(FACTS, types=(T4, GpuType("m7i.large")), needs=many))

    assert (sight.driver, sight.cuda, sight.source) == ("580.159.03", "13.0", "catalogue")
    assert sight.types == ("g4dn.xlarge: 1 x T4, 16384 MiB, 4 vCPUs", "m7i.large: no NVIDIA GPU")
    assert sight.needs[0] == "default/w-0: cuda>=13.2 ... (image)"
    assert (len(sight.needs), sight.needs[-1]) == (MAX_LINES + 1, "and 40 more")
    assert len(sight.model_dump_json()) < 4096
