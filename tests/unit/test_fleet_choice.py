"""Auto Scaling's decisions: the next zone, who goes, when a group is lopsided, how long to wait after a failure."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rehearsal.region.autoscaling_choice import retry_seconds, select_relief, select_scale_in, select_zones
from rehearsal.region.autoscaling_model import Activity, Group, Member

A, B, C = "us-east-1a", "us-east-1b", "us-east-1c"
GROUP = Group(name="gpu", settings={}, zones=[A, B], created=0)


def member(name: str, zone: str, **changes: Any) -> Member:
    """A member in service on version 1 of its template."""
    version = changes.pop("version", 1)
    fields = {"launched": 0.0, "protected": False, "state": "InService", **changes}
    template = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "gpu", "Version": str(version)}
    activity = Activity("a", GROUP, "", "", zone, "", 0)
    return Member(name, "g4dn.xlarge", zone, "ami-1", template, activity=activity, **fields)


def test_the_emptiest_zone_is_tried_first_and_ties_keep_the_groups_order() -> None:
    """Balance first; order makes it repeatable."""
    assert select_zones([A, B, C], [member("i-1", A), member("i-2", B)]) == [C, A, B]
    assert select_zones([B, A], []) == [B, A]


def test_scale_in_takes_from_the_fullest_zone_before_it_looks_at_versions() -> None:
    """An old template in the emptier zone stays."""
    present = [member("i-1", A, version=2), member("i-2", A, version=2), member("i-3", B, version=1)]
    assert chosen(present) in ("i-1", "i-2")


def test_scale_in_takes_the_oldest_template_then_the_oldest_instance() -> None:
    """Version 9 is older than version 10: they are numbers."""
    present = [member("i-1", A, version=10), member("i-2", A, version=9, launched=5.0), member("i-3", A, version=9)]
    assert chosen(present) == "i-3"


def test_scale_in_never_takes_a_protected_instance() -> None:
    """All protected means nobody goes."""
    present = [member("i-1", A, protected=True), member("i-2", A, protected=True)]
    assert select_scale_in(present) is None


def test_scale_in_spares_instances_in_service_only_when_none_is_left_unprotected() -> None:
    """One that still waits in a hook is the last resort."""
    waiting = member("i-1", A, state="Pending:Wait")
    assert chosen([waiting, member("i-2", A)]) == "i-2"
    assert chosen([waiting, member("i-2", A, protected=True)]) == "i-1"


def chosen(present: list[Member]) -> str:
    """The instance that scale-in takes."""
    found = select_scale_in(present)
    assert found is not None
    return found.instance_id


def test_a_difference_of_two_is_lopsided_and_of_one_is_not() -> None:
    """Five nodes in two zones are as balanced as they can be."""
    assert select_relief([A, B], [member("i-1", A), member("i-2", A)]) == B
    assert select_relief([A, B], [member("i-1", A), member("i-2", A), member("i-3", B)]) is None


def test_a_fullest_zone_without_a_spare_instance_gets_no_relief() -> None:
    """Protected instances are not terminated to balance zones, so nothing is launched either."""
    present = [member("i-1", A, protected=True), member("i-2", A, protected=True)]
    assert select_relief([A, B], present) is None


@given(st.lists(st.sampled_from([A, B, C]), max_size=12), st.integers(1, 12))
def test_filling_always_leaves_the_zones_within_one_of_each_other_or_no_worse(start: list[str], more: int) -> None:
    """Launching one by one in the first zone never widens the gap beyond one."""
    present = [member(f"i-{i}", zone) for i, zone in enumerate(start)]
    before = spread([A, B, C], present)
    for i in range(more):
        present.append(member(f"n-{i}", select_zones([A, B, C], present)[0]))
    assert spread([A, B, C], present) <= max(before, 1)


def spread(zones: list[str], present: list[Member]) -> int:
    """Fullest minus emptiest."""
    counts = Counter(each.zone for each in present)
    return max(counts[zone] for zone in zones) - min(counts[zone] for zone in zones)


def test_back_off_doubles_up_to_ten_minutes() -> None:
    """A zone that stays empty is asked less and less often."""
    assert [retry_seconds(failures) for failures in (1, 2, 3, 20)] == [30, 60, 120, 600]
