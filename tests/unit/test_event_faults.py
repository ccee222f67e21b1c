"""What becomes of events: lost, doubled, late, skewed, by source and type, and all that match at once."""

from rehearsal.region.event_faults import Fate, fate_of
from rehearsal.scenario import EventFault

LAUNCH = {"source": "aws.autoscaling", "detail-type": "EC2 Instance-launch Lifecycle Action"}


def test_without_a_fault_an_event_comes_once_and_at_once() -> None:
    """With its own time; a fault of another source or type is none of it."""
    others = [EventFault(kind="lost", source="aws.s3"), EventFault(kind="twice", detail_type="Object Created")]

    assert fate_of(LAUNCH, others) == Fate(copies=1, late_seconds=0, skew_seconds=0)


def test_faults_work_together() -> None:
    """Twice, two minutes late, and five minutes behind."""
    faults = [
        EventFault(kind="twice"),
        EventFault(kind="late", source="aws.auto*", seconds=120),
        EventFault(kind="skewed"),
    ]

    assert fate_of(LAUNCH, faults) == Fate(copies=2, late_seconds=120, skew_seconds=300)


def test_what_is_lost_comes_not_even_twice() -> None:
    """Whatever else is said of it."""
    assert fate_of(LAUNCH, [EventFault(kind="twice"), EventFault(kind="lost")]).copies == 0
