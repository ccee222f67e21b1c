"""The report of an admission: whose it was, what its GPUs proved, and why it was let in or not."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.entry import entry
from tests.fakes.apps import load_app
from tests.fakes.rotation import ARN, NOW, Cluster, Groups, group, run
from tests.fakes.world import World, table

REPORT, READ = load_app("write_report"), load_app("read_smoke")
HOSTILE = "<script>alert(1)</script>"
FIND: dict[str, Any] = {"status": "found", "reason": "i-1 is node-1", "instance": "i-1", "node": "node-1"}
CHECK: dict[str, Any] = {"status": "ready", "reason": "node-1 offers 1 GPU", "gpus": 1, "allocatable": 1}
SMOKE: dict[str, Any] = {
    "status": "passed",
    "reason": "1 GPU computed",
    "driver": "580.173.02",
    "cuda": "13.0",
    "product": "Tesla T4",
    "uuids": ["GPU-1"],
    "evidence": ["vectoradd: Test PASSED"],
}
ADMIT: dict[str, Any] = {"status": "admitted", "reason": "node-1: 1 GPU computed"}


@pytest.fixture
def world() -> Iterator[World]:
    """A table and a bucket."""
    with mock_aws():
        yield World(groups=Groups(group([])), store=Store(table()), connected=Cluster([]))


def report(world: World, **more: Any) -> tuple[str, Any]:
    """Return the page and the object of an admission."""
    given = {"run": run("admit-1"), "find": FIND, "check": CHECK, "smoke": SMOKE, "admit": ADMIT, **more}
    written = REPORT.write(REPORT.WriteReport.model_validate(given), NOW, world)
    return world.written[written.html], json.loads(world.written[written.json_])


def test_a_report_of_an_admission_shows_whom_and_why(world: World) -> None:
    """Months later somebody asks which driver a node was admitted with."""
    page, data = report(world)

    proof = ("580.173.02", "13.0", "Tesla T4", "GPU-1", "vectoradd: Test PASSED")
    assert [text for text in ("i-1", "node-1", *proof, ADMIT["reason"], CHECK["reason"]) if text not in page] == []
    assert '<p class="outcome good">admitted</p>' in page
    assert (data["find"]["instance"], data["check"]["gpus"], data["admit"]["status"]) == ("i-1", 1, "admitted")
    assert data["proof"]["uuids"] == ["GPU-1"]


def test_an_abandoned_instance_is_not_a_good_outcome(world: World) -> None:
    """No error was raised: a deadline went by."""
    admit = {"status": "abandoned", "reason": "0 of 1 GPUs"}

    page, _ = report(world, smoke=None, admit=admit)

    assert '<p class="outcome bad">abandoned</p><p>0 of 1 GPUs</p>' in page


def test_a_failed_smoke_leaves_its_evidence_through_the_journal(world: World) -> None:
    """A failed child machine hands up its reason alone; what its log said is what the operator needs."""
    failed = READ.Smoked(status="failed", reason="no GPU", driver="580.1", evidence=("nvidia-smi: Unknown Error",))

    @entry(REPORT.WriteReport, journal=lambda: world.store)
    def read_smoke(request: Any, now: Any) -> Any:
        return failed

    read_smoke({"run": run("admit-1").model_dump(), "now": NOW.isoformat()}, None)
    given_up = {"at": (NOW + timedelta(1)).isoformat(), "function": "read_smoke", "status": "failed", "reason": "gone"}
    world.store.write_journal("admit-1", given_up)

    error = {"name": "Unhealthy", "reason": "no GPU"}
    page, data = report(world, smoke=None, error=error, admit={"status": "abandoned", "reason": "no GPU"})

    assert "nvidia-smi: Unknown Error" in page
    assert data["proof"]["driver"] == "580.1"


def test_an_instance_that_went_away_says_so(world: World) -> None:
    """Nothing was decided about it."""
    gone = {"status": "gone", "reason": "i-1 is Terminated", "instance": "i-1"}

    page, _ = report(world, find=gone, check=None, smoke=None, admit=None)

    assert "i-1 is Terminated" in page
    assert ">gone<" in page


def test_the_words_of_a_log_are_escaped_and_bounded(world: World) -> None:
    """Whatever printed them, and however much of it."""
    smoke = {**SMOKE, "driver": HOSTILE, "uuids": [HOSTILE] * 999, "evidence": [HOSTILE + "x" * 9_999] * 999}

    page, data = report(world, find={**FIND, "node": HOSTILE}, smoke=smoke, admit={**ADMIT, "reason": HOSTILE})

    assert "<script>" not in page
    assert len(page) < 20_000
    assert (len(data["proof"]["uuids"]), len(data["proof"]["evidence"])) == (16, 24)
    assert "smoke" not in data


def test_an_admission_that_failed_at_once_has_a_report(world: World) -> None:
    """Its event could not be read: null is what the machine then hands on."""
    execution = {"id": ARN + "x", "name": "x", "machine": "admit_node"}
    nothing = dict.fromkeys(("run", "find", "check", "smoke"))

    page, data = report(world, execution=execution, error={"name": "Invalid", "reason": "no launch"}, **nothing)

    assert "no launch" in page
    assert data["proof"] is None
