"""The one message about a repair: who, what, why, what was done, how long it took; words from outside stay words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuops.adapters.notices import Notices
from gpuops.domain.faults.notice import Notice, is_told, notice_of
from gpuops.domain.rotation.report import Report
from tests.fakes.events import INSTANCE, NODE, UUID

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FAULT = {
    "cluster": "demo",
    "node": NODE,
    "instance": INSTANCE,
    "uuid": UUID,
    "kind": "xid",
    "xid": 79,
    "evidence": ["NVRM: Xid 79, GPU has *fallen* off the bus", "@here <b>"],
    "first_seen": NOW,
}
LINES = [
    {"at": "2026-11-23T10:00:00+00:00", "function": "isolate_node", "subject": INSTANCE, "status": "closed"},
    {"at": "2026-11-23T10:00:05+00:00", "function": "claim_node", "subject": INSTANCE, "status": "taken"},
    {"at": "2026-11-23T10:00:10+00:00", "function": "drain_node", "subject": INSTANCE, "status": "draining"},
    {"at": "2026-11-23T10:01:10+00:00", "function": "drain_node", "subject": INSTANCE, "status": "drained"},
]


def report(status: str = "repaired", **more: Any) -> Report:
    """A repair that ended five minutes after its node was closed."""
    state: dict[str, Any] = {
        "name": "i-1-20261123T100000",
        "written": NOW + timedelta(minutes=5),
        "run": {"cluster": "demo", "group": "gpu"},
        "event": {"fault": FAULT},
        "isolate": {"status": "closed", "reason": "r", "node": NODE, "instance": INSTANCE, "since": NOW},
        "diagnose": {"action": "replace", "reason": "Xid 79 is fatal (RESTART_BM, table of 2025-10-29)"},
        "close": {"status": status, "reason": f"{NODE} was replaced"},
        "lines": LINES,
    }
    return Report.model_validate(state | more)


def told(made: Report, gpus: int | None = 4) -> dict[str, Any]:
    """The notification, as a channel gets it."""
    return dict(json.loads(notice_of(made, gpus).body))


def test_everything_that_a_person_asks_is_in_one_message() -> None:
    """In the schema of custom notifications."""
    found = told(report())

    assert (found["version"], found["source"], found["content"]["textType"]) == ("1.0", "custom", "client-markdown")
    assert found["content"]["title"] == f"Repaired: {NODE} (Xid 79)"
    assert found["content"]["description"].splitlines() == [
        f"*Node*: {NODE} ({INSTANCE}), group gpu of demo",
        f"*GPU*: {UUID}",
        "*What*: Xid 79 (GPU has fallen off the bus); Xid 79 is fatal (RESTART_BM, table of 2025-10-29)",
        "*Action*: replace",
        "*Seen*: NVRM: Xid 79, GPU has fallen off the bus",
        "*Seen*: (at)here b",
        f"*Outcome*: {NODE} was replaced",
        "*Steps*: isolate_node 0 s, claim_node 0 s, drain_node 60 s",
        "*Lost*: 20 GPU-minutes so far",
    ]
    assert found["metadata"]["relatedResources"] == [INSTANCE, UUID]
    assert found["metadata"]["threadId"] == "i-1-20261123T100000"


def test_without_the_number_of_gpus_minutes_are_told() -> None:
    """The instance is forgotten by EC2; of a node that was never closed nothing was lost."""
    open_ = {"status": "open", "reason": "r", "node": NODE, "instance": INSTANCE, "since": NOW}

    assert "*Lost*: 5 minutes so far" in told(report(), None)["content"]["description"]
    assert "*Lost*" not in told(report("restarted", isolate=open_))["content"]["description"]


@pytest.mark.parametrize(
    ("status", "heard"),
    [
        ("restarted", True),
        ("evacuated", True),
        ("kept", True),
        ("gone", True),
        ("recorded", False),
        ("observed", False),
    ],
)
def test_what_was_only_looked_at_is_told_to_nobody(status: str, heard: bool) -> None:  # noqa: FBT001 - a table's column
    """It is in the report."""
    assert is_told(report(status)) == heard


def test_other_runs_and_faults_that_are_nobodys_make_no_message() -> None:
    """A roll's report has no fault; a node that was never found was not closed by a repair."""
    assert not is_told(Report(name="roll-1", written=NOW))
    assert not is_told(report(close=None))


def test_the_subject_fits_sns() -> None:
    """However long the node's name is."""
    isolated = {"status": "closed", "reason": "r", "node": "n" * 200, "instance": INSTANCE, "since": NOW}

    assert len(notice_of(report(isolate=isolated), 1).subject) == 100


class Sns:
    """Remembers."""

    def __init__(self) -> None:
        self.said: list[dict[str, str]] = []

    def publish(self, **call: str) -> None:
        """See SNS."""
        self.said.append(call)


def test_a_stack_without_a_topic_tells_nobody() -> None:
    """And says so."""
    sns, notice = Sns(), Notice(subject="s", body="b")

    assert Notices(sns, "").publish(notice) is False
    assert Notices(sns, "arn:topic").publish(notice) is True
    assert sns.said == [{"TopicArn": "arn:topic", "Subject": "s", "Message": "b"}]
