"""Xids of the exporter in a verdict, the table that they are read by, and stages folded into one answer."""

import pytest

from gpuops.domain.admission.answers import FaultyGpu
from gpuops.domain.dcgm.readings import Readings, read_exporter
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable
from gpuops.domain.faults.xids import parse_table, xid_table
from gpuops.domain.smoke.fold import fold, look_again
from gpuops.domain.smoke.health import add_xids
from gpuops.domain.smoke.stages import MAX_PROOF, GpuFault, Verdict
from tests.fakes.smoke_logs import UUID, uuid

PASSED = Verdict("passed", "driver 580", driver="580", uuids=(UUID,), evidence=("a",))
METRIC = f'DCGM_FI_DEV_XID_ERRORS{{gpu="0",UUID="{UUID}"}} 79\n'


def seen(*xids: int) -> Readings:
    """An exporter that shows these Xids of one GPU."""
    return Readings({UUID: GpuSample(uuid=UUID, xids=tuple(xids))})


@pytest.mark.parametrize("xid", [13, 31, 43, 45, 68, 109])
def test_an_applications_xid_is_told_and_tolerated(xid: int) -> None:
    """The device plugin ignores them, too."""
    verdict = add_xids(PASSED, seen(xid), xid_table())

    assert (verdict.status, verdict.faulty) == ("passed", ())
    assert verdict.evidence == ("a", f"{UUID}: Xid {xid} is tolerated")


@pytest.mark.parametrize("xid", [48, 79, 95, 119])
def test_a_fatal_xid_fails_the_node_and_is_held_against_its_board(xid: int) -> None:
    """However well it computed."""
    verdict = add_xids(PASSED, seen(13, xid), xid_table())

    assert (verdict.status, verdict.faulty) == ("failed", (GpuFault(UUID, f"xid_{xid}"),))
    assert verdict.reason == f"{UUID}: Xid {xid} (fatal)"


def test_an_xid_that_nobody_knows_fails_the_node_but_blames_no_board() -> None:
    """Unknown is never harmless, and never proof."""
    verdict = add_xids(PASSED, seen(154), xid_table())

    assert (verdict.status, verdict.faulty, "unknown" in verdict.reason) == ("failed", (), True)


def test_a_failure_keeps_its_own_reason_first() -> None:
    """The Xid often explains it."""
    verdict = add_xids(Verdict("failed", "no GPU"), seen(79), xid_table())

    assert verdict.reason == f"no GPU; {UUID}: Xid 79 (fatal)"


@pytest.mark.parametrize("fault", [Invalid("404"), Refused("403"), Unavailable("503")])
def test_an_exporter_that_cannot_be_read_is_told_and_judges_nothing(fault: Exception) -> None:
    """It is no fault of a GPU; what is no answer of an exporter goes on."""

    def scrape() -> str:
        raise fault

    verdict = add_xids(PASSED, read_exporter(scrape), xid_table())

    assert (verdict.status, verdict.evidence[-1]) == ("passed", f"Xids were not looked at: {fault}")
    assert read_exporter(lambda: None).silent == "no exporter runs on the node"
    assert read_exporter(lambda: METRIC).gpus[UUID].xids == (79,)


def test_a_scrape_that_conflicts_is_no_silence() -> None:
    """Only what an absent exporter may cause is caught."""

    def scrape() -> str:
        raise Conflict("x")

    with pytest.raises(Conflict):
        read_exporter(scrape)


def test_headroom_is_known_of_all_gpus_or_of_none() -> None:
    """A blank of one of them would let pods land there."""
    both = {UUID: GpuSample(uuid=UUID, memory_free_mib=5), uuid(2): GpuSample(uuid=uuid(2), memory_free_mib=7)}

    assert Readings(both).headroom == {UUID: 5, uuid(2): 7}
    assert Readings({**both, "GPU-x": GpuSample(uuid="GPU-x")}).headroom is None
    assert Readings(silent="no").headroom is None


@pytest.mark.parametrize(
    "text",
    [
        "sources: {a: b}\nxids: [{xids: [1], effect: fatal, source: c}]",
        "sources: {a: b}\nxids: [{xids: [1, 1], effect: fatal, source: a}]",
        "sources: {a: b}\nxids: [{xids: [1], effect: deadly, source: a}]",
        "sources: {a: b}\nxids: [{xids: [], effect: fatal, source: a}]",
        "sources: [",
        "[]",
    ],
)
def test_a_table_with_a_row_that_nobody_vouches_for_is_refused(text: str) -> None:
    """No source, twice, an unknown effect, no Xid, no YAML, no table."""
    with pytest.raises(Invalid, match=r"xids\.yaml"):
        parse_table(text)


def test_the_deployed_table_names_a_source_for_each_xid() -> None:
    """And what it does not list is unknown."""
    table = xid_table()

    assert all(table.sources[row.source] for row in table.xids)
    assert [table.effect(xid) for xid in (31, 79, 154, 500)] == ["tolerated", "fatal", "unknown", "unknown"]


def test_the_answer_of_the_last_stage_holds_what_all_have_proved() -> None:
    """Driver and UUIDs of the first, the reasons of each, and the evidence of both."""
    first = fold(None, "device", PASSED, more=True)
    waiting = look_again(first, "overlap", "running", "2 of 4 pods run at once")
    last = fold(
        waiting, "overlap", Verdict("passed", "all held", uuids=(UUID, uuid(2)), evidence=("a", "b")), more=False
    )

    assert (first.status, waiting.status, last.status) == ("next", "running", "passed")
    assert (waiting.driver, waiting.stage) == ("580", "overlap")
    assert (last.driver, last.stage, last.uuids) == ("580", "overlap", (UUID, uuid(2)))
    assert (last.reason, last.evidence) == ("driver 580; all held", ("a", "b"))


def test_the_evidence_of_a_failure_pushes_older_evidence_out() -> None:
    """What failed is what counts; its reason stands alone."""
    first = fold(None, "device", Verdict("passed", "ok", evidence=tuple(map(str, range(MAX_PROOF)))), more=True)
    bad = Verdict("failed", "broken", evidence=("x", "y"), faulty=(GpuFault(UUID, "xid_79"),))
    last = fold(first, "overlap", bad, more=True)

    assert (last.status, last.reason, last.evidence[-2:]) == ("failed", "broken", ("x", "y"))
    assert len(last.evidence) == MAX_PROOF
    assert last.faulty == (FaultyGpu(uuid=UUID, fault="xid_79"),)
