"""Signals: every kind of event, with fields missing and added; muted and quiet alarms; what is asked, what refused."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.fault import GpuFault
from gpuops.signals.read import read_signal
from gpuops.signals.signal import Signal
from tests.fakes.events import INSTANCE, NODE, UUID, contributor_alarm, event, maintenance, metric_alarm, spot_warning

EVENTS = [metric_alarm(), contributor_alarm(NodeName=NODE), spot_warning(), maintenance()]


def fault_of(given: dict[str, Any]) -> GpuFault:
    """Return the one fault of an event that has one."""
    signal = read_signal(given)
    assert signal.state == "fault", signal.reason
    (fault,) = signal.faults
    return fault


def test_a_metric_alarm_says_where_and_which_xid() -> None:
    """The newest value of the last-Xid series is the Xid."""
    fault = fault_of(metric_alarm())

    assert (fault.cluster, fault.node, fault.instance, fault.uuid) == ("demo", NODE, INSTANCE, UUID)
    assert (fault.kind, fault.xid) == ("xid", 79)
    assert fault.first_seen == datetime(2026, 11, 23, 9, 59, 58, 123000, UTC)
    assert fault.evidence[0] == "alarm gpu-alarm"


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("DCGM_FI_DEV_GPU_TEMP", "thermal"),
        ("node_gpu_temperature", "thermal"),
        ("DCGM_FI_DEV_POWER_VIOLATION", "power"),
        ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "memory"),
        ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "link"),
        ("node_gpu_utilization", "hardware"),
    ],
)
def test_a_metrics_name_says_what_it_is_about(metric: str, kind: str) -> None:
    """CloudWatch's own names and DCGM's."""
    assert fault_of(metric_alarm(metric)).kind == kind


def test_an_alarm_of_something_else_is_left_alone() -> None:
    """A temperature, and even a node, but no GPU."""
    signal = read_signal(metric_alarm("RackTemperature", "facility", alarmName="rack"))

    assert (signal.state, signal.faults) == ("ignored", ())


def test_no_data_is_neither_health_nor_fault() -> None:
    """Nobody is told anything."""
    signal = read_signal(metric_alarm(value="INSUFFICIENT_DATA"))

    assert (signal.state, signal.faults) == ("unclear", ())


def test_an_alarm_that_is_ok_again_says_where() -> None:
    """A repair under way there may return the node early."""
    signal = read_signal(metric_alarm(value="OK"))
    other = read_signal(metric_alarm("RackTemperature", "facility", value="OK", alarmName="rack"))

    assert (signal.state, [fault.node for fault in signal.faults]) == ("recovered", [NODE])
    assert (other.state, other.faults) == ("recovered", ())


@pytest.mark.parametrize(
    "more",
    [
        {"muteDetail": {"mutedByArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm-mute-rule:night"}},
        {"muteDetail": {"muteWindowStart": "2026-11-23T00:00:00.000+0000"}},
    ],
)
def test_a_muted_alarm_is_not_acted_on(more: dict[str, Any]) -> None:
    """Mute rules hold back an alarm's actions, not its events; what it would have been stays visible."""
    signal = read_signal(metric_alarm(**more))

    assert signal.state == "muted"
    assert signal.faults[0].xid == 79


def test_a_suppressed_composite_alarm_is_not_asked_about() -> None:
    """Its suppressor is another alarm: maintenance, for one."""
    given = composite()
    given["detail"]["state"]["actionsSuppressedBy"] = "WaitPeriod"

    assert read_signal(given).state == "muted"


def composite() -> dict[str, Any]:
    """Return a composite alarm with two triggers, of which one is in ALARM."""
    arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:"
    triggers = [{"arn": f"{arn}hot", "state": {"value": "ALARM"}}, {"arn": f"{arn}slow", "state": {"value": "OK"}}]
    given = metric_alarm(configuration={"alarmRule": "ALARM(hot) OR ALARM(slow)"})
    given["detail"]["state"]["reasonData"] = json.dumps({"triggeringAlarms": triggers})
    return given


def test_a_composite_alarm_asks_for_what_triggered_it() -> None:
    """Its triggers stand inside a JSON string; without one that can be read, it asks for itself."""
    garbled = composite()
    garbled["detail"]["state"]["reasonData"] = "{"

    assert (read_signal(composite()).state, read_signal(composite()).ask) == ("ask", ("hot",))
    assert read_signal(garbled).ask == ("gpu-alarm",)


def test_a_contributor_says_for_itself_and_its_parent_asks() -> None:
    """The parent of six series says `6 out of 6 time series` and nothing else."""
    given = contributor_alarm(NodeName=NODE, UUID=UUID)
    parent = copy.deepcopy(given) | {"detail-type": "CloudWatch Alarm State Change"}
    del parent["detail"]["alarmContributor"]

    fault = fault_of(given)

    assert (fault.node, fault.uuid, fault.kind) == (NODE, UUID, "thermal")
    assert (read_signal(parent).state, read_signal(parent).ask) == ("ask", ("gpu-hot",))
    assert read_signal(given).alarm == "gpu-hot/6d442278dba546f6"


def test_an_alarm_that_names_no_place_is_left_alone() -> None:
    """Nothing can be done about a GPU that is anywhere."""
    assert read_signal(contributor_alarm(Team="ml")).state == "ignored"


@pytest.mark.parametrize(
    ("xid", "known"), [("79", 79), ("0", None), ("x", None), ("99999999999999999999999999", None), ("", 79)]
)
def test_an_xid_by_its_label_wins_and_an_absurd_one_is_none(xid: str, known: int | None) -> None:
    """A fault of an Xid that is not known is never taken for harmless; its number is not guessed."""
    given = metric_alarm()
    given["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["dimensions"]["xid"] = xid
    if xid == "x":
        given["detail"]["state"]["reasonData"] = '{"recentDatapoints": []}'

    assert fault_of(given).xid == known


def test_a_spot_warning_leaves_two_minutes() -> None:
    """EC2 gives no time of its own in it."""
    fault = fault_of(spot_warning())

    assert (fault.instance, fault.kind, fault.deadline) == (
        INSTANCE,
        "interruption",
        datetime(2026, 11, 23, 10, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "kind",
    [
        "EC2 Capacity Reservation Instance Interruption Warning",
        "EC2 Interruptible Capacity Reservation Instance Interruption Warning",
    ],
)
def test_a_reservations_warning_bears_its_own_time(kind: str) -> None:
    """Documentation names it in two ways, and puts its one resource where a list should be."""
    detail = {
        "instance-id": INSTANCE,
        "instance-action": "terminate",
        "instance-termination-time": "2026-11-23T10:30:00Z",
        "instance-lifecycle": "capacity-block",
        "azId": "use1-az1",
    }
    fault = fault_of(
        event("aws.ec2", kind, detail, resources=f"arn:aws:ec2:us-east-1:111122223333:instance/{INSTANCE}")
    )

    assert fault.deadline == datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    assert "capacity-block" in fault.evidence[1]


def test_a_rebalance_recommendation_has_no_deadline() -> None:
    """It may come to nothing."""
    fault = fault_of(event("aws.ec2", "EC2 Instance Rebalance Recommendation", {"instance-id": INSTANCE}))

    assert (fault.kind, fault.deadline) == ("rebalance", None)


@pytest.mark.parametrize("name", ["Capacity Block Expiration Warning", "Capacity Block Reservation Expiration Warning"])
def test_a_block_that_ends_is_asked_for_its_instances(name: str) -> None:
    """One that begins asks for nothing."""
    detail = {"capacity-reservation-id": "cr-0123", "end-date": "2026-11-23T10:40:00Z"}

    assert read_signal(event("aws.ec2", name, detail)).ask == ("cr-0123",)
    assert read_signal(event("aws.ec2", "Capacity Block Delivered", detail)).state == "ignored"


def test_health_says_when_and_which_instances() -> None:
    """Its dates are those of e-mail; another service's events, or mere notices, are none of ours."""
    fault = fault_of(maintenance())
    other = maintenance()
    other["detail"]["eventTypeCategory"] = "accountNotification"

    assert (fault.instance, fault.kind) == (INSTANCE, "maintenance")
    assert fault.deadline == datetime(2026, 12, 5, 15, 10, 9, tzinfo=UTC)
    assert read_signal(other).state == "ignored"


@pytest.mark.parametrize("given", EVENTS)
def test_added_fields_do_no_harm(given: dict[str, Any]) -> None:
    """AWS adds some without telling."""
    more = copy.deepcopy(given)
    more["detail"]["newField"] = {"any": ["thing"]}
    more["newEnvelopeField"] = 1

    assert read_signal(more).faults == read_signal(given).faults


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], "dictionary"),
        ({}, "source"),
        (event("aws.ec2", "EC2 Spot Instance Interruption Warning", {"instance-id": "i-1; reboot"}), "instance-id"),
        (event("aws.cloudwatch", "CloudWatch Alarm State Change", {"alarmName": "x"}), "state"),
        (metric_alarm(value="PANIC"), "state.value"),
        (event("aws.ec2", "EC2 Spot Instance Interruption Warning", {}, time="yesterday"), "time"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given: Any, named: str) -> None:
    """It goes to quarantine; nobody acts on half of an event."""
    with pytest.raises(Invalid, match=named):
        read_signal(given)


def test_another_kind_of_event_is_ignored_with_its_name() -> None:
    """A rule that is too wide must not fill the quarantine."""
    assert "Parameter Store Change" in read_signal(event("aws.ssm", "Parameter Store Change", {})).reason


def test_words_from_outside_are_single_bounded_lines() -> None:
    """Alarm texts are whatever somebody wrote."""
    given = metric_alarm()
    given["detail"]["state"]["reason"] = "a\n\x1b[31mb" + "c" * 5000

    line = fault_of(given).evidence[1]

    assert line.startswith("a [31mb")
    assert len(line) == 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """Draw a real event in which one value, anywhere, is another or is gone."""
    given = copy.deepcopy(draw(st.sampled_from([*EVENTS, composite()])))
    place: Any = given
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and draw(st.booleans()):
            place = inner
            continue
        if draw(st.booleans()):
            place[key] = draw(JSON)
        else:
            del place[key]
        return given


@given(mutated())
def test_a_mutated_event_is_read_or_refused(given: Any) -> None:
    """Never anything else; and what it then names is an instance, a node or a GPU, or it is not acted on."""
    try:
        signal = read_signal(given)
    except Invalid:
        return
    assert isinstance(signal, Signal)
    assert all(fault.instance or fault.node or fault.uuid for fault in signal.faults)
    assert not signal.faults or signal.state in {"fault", "muted", "recovered"}


def test_the_command_prints_the_signal_or_says_why_not(tmp_path: Path) -> None:
    """Exit 2 with a reason for what is no event."""
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(spot_warning()))
    bad.write_text(json.dumps({"detail": 1}))

    read = CliRunner().invoke(app, ["events", "parse", str(good), "--json"])
    refused = CliRunner().invoke(app, ["events", "parse", str(bad), "--json"])

    assert json.loads(read.stdout.splitlines()[-1])["faults"][0]["instance"] == INSTANCE
    assert refused.exit_code == 2
    assert "source" in json.loads(refused.stdout.splitlines()[-1])["error"]
