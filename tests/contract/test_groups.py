"""Auto Scaling groups through the adapter, against the rehearsal's region: goals asked for twice change nothing.

Covered: what a group is, with images and protection; settings; processes; protection; terminations with decrement,
of instances that are gone, and of groups that are not there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gpuops.adapters.groups import Groups
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.change import GroupUpdate
from tests.contract.fleet_world import OLD, FleetWorld, fleet_world


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """A region with one group of two."""
    with fleet_world() as made:
        made.stage()
        yield made


@pytest.fixture
def groups(world: FleetWorld) -> Groups:
    """The adapter over it."""
    return Groups(world.client("autoscaling"), world.client("ec2"))


def test_a_group_is_seen_with_its_images(groups: Groups) -> None:
    """Auto Scaling knows the instances, EC2 their image and launch time."""
    group = groups.describe("gpu")

    assert (group.desired, group.max, len(group.staying)) == (2, 4, 2)
    assert {(i.ami, i.lifecycle) for i in group.instances} == {(OLD.ami, "InService")}
    assert all(i.launched and i.template for i in group.instances)
    assert "LaunchTemplateName" not in group.launch["LaunchTemplate"]


def test_ec2_is_not_asked_about_what_is_known(groups: Groups) -> None:
    """Auto Scaling's own word stays: zone, state and template; the other one has its name as well."""
    known = min(instance.id for instance in groups.describe("gpu").instances)
    one, other = sorted(groups.describe("gpu", lambda i: i.id == known).instances, key=lambda i: i.id != known)

    assert (one.ami, one.launched, one.host, one.in_service, one.template is None) == ("", None, "", True, False)
    assert (other.ami, bool(other.launched), other.host.endswith(".internal")) == (OLD.ami, True, True)


def test_a_group_that_is_not_there_is_bad_input(groups: Groups) -> None:
    """The message names it."""
    with pytest.raises(Invalid, match="'none' does not exist"):
        groups.describe("none")


def test_settings_are_goals(groups: Groups) -> None:
    """What was described can be asked for again; an empty goal asks for nothing."""
    goals = GroupUpdate(launch=groups.describe("gpu").launch, max=5, desired=3, protects_new=True)

    for _ in range(2):
        groups.update("gpu", goals)
    groups.update("gpu", GroupUpdate())

    group = groups.describe("gpu")
    assert (group.max, group.desired, group.protects_new, group.launch) == (5, 3, True, goals.launch)


def test_processes_are_suspended_and_resumed_by_name(groups: Groups) -> None:
    """No name means none, where AWS would take it for all."""
    groups.suspend("gpu", ["AZRebalance", "ScheduledActions"])
    groups.suspend("gpu", ["AZRebalance"])
    groups.resume("gpu", [])
    assert groups.describe("gpu").suspended == {"AZRebalance", "ScheduledActions"}

    groups.resume("gpu", ["AZRebalance", "ScheduledActions"])

    assert groups.describe("gpu").suspended == frozenset()


def test_protection_comes_off(world: FleetWorld, groups: Groups) -> None:
    """For the instances that are named, and twice."""
    names = [i.id for i in groups.describe("gpu").instances]
    world.client("autoscaling").set_instance_protection(
        AutoScalingGroupName="gpu", InstanceIds=names, ProtectedFromScaleIn=True
    )
    for _ in range(2):
        groups.unprotect("gpu", names[:1])

    protected = {i.id for i in groups.describe("gpu").instances if i.protected}

    assert protected == set(names[1:])


def test_a_termination_with_decrement_shrinks_the_group(groups: Groups) -> None:
    """At once, and the instance no longer counts."""
    name = groups.describe("gpu").instances[0].id

    groups.terminate(name, decrement=True)

    group = groups.describe("gpu")
    assert (group.desired, group.instance(name)) == (1, None)


def test_a_vain_launch_is_told_in_auto_scalings_words(world: FleetWorld, groups: Groups) -> None:
    """The last one since then; none when all went well."""
    begin = datetime.fromtimestamp(world.clock.now(), UTC)
    assert groups.last_failure("gpu", begin) is None
    world.fleet.set_capacity({"us-east-1a": {"g4dn.xlarge": 0}, "us-east-1b": {"g4dn.xlarge": 0}})
    groups.update("gpu", GroupUpdate(desired=3))
    world.clock.advance(60)

    why = groups.last_failure("gpu", begin)

    assert why is not None
    assert "do not have sufficient g4dn.xlarge capacity" in why
    assert groups.last_failure("gpu", begin + timedelta(hours=1)) is None


def test_terminating_what_is_gone_is_fine(groups: Groups) -> None:
    """Somebody was faster."""
    groups.terminate("i-0123456789abcdef0", decrement=True)

    assert groups.describe("gpu").desired == 2


def test_a_group_of_ekss_is_all_that_belongs_to_it_by_tag(world: FleetWorld, groups: Groups) -> None:
    """The newest one leads; sizes are the sums; a group of somebody's own is only itself, whatever is tagged."""
    world.stage("eks-gpu-0a1b2c3d", kind="managed")
    world.clock.advance(60)
    world.stage("eks-gpu-new-0a1b2c3d", kind="managed", size=1)
    assert groups.describe("eks-gpu-0a1b2c3d").lead == "eks-gpu-0a1b2c3d"
    groups.tag("eks-gpu-new-0a1b2c3d", {"gpuops:group": "eks-gpu-0a1b2c3d"})
    groups.tag("gpu", {"gpuops:group": "eks-gpu-0a1b2c3d"})

    found = groups.describe("eks-gpu-0a1b2c3d")

    assert [(home.nodegroup, home.desired) for home in found.homes] == [("gpu", 2), ("gpu-new", 1)]
    assert (found.name, found.lead, found.managed) == ("eks-gpu-0a1b2c3d", "eks-gpu-new-0a1b2c3d", "gpu-new")
    assert (found.desired, found.max, len(found.staying)) == (3, 8, 3)
    assert [instance.home for instance in found.instances].count("eks-gpu-new-0a1b2c3d") == 1
    assert groups.total(["eks-gpu-0a1b2c3d", "gpu"]) == 5
    assert [home.name for home in groups.describe("gpu").homes] == ["gpu"]


def test_a_group_is_found_by_tag_once_the_one_of_its_name_is_gone(world: FleetWorld, groups: Groups) -> None:
    """As after a move."""
    world.stage("eks-gpu-new-0a1b2c3d", kind="managed", size=1)
    groups.tag("eks-gpu-new-0a1b2c3d", {"gpuops:group": "once"})

    assert groups.describe("once").lead == "eks-gpu-new-0a1b2c3d"
    assert groups.describe_all(["once", "never"]).keys() == {"once"}
    with pytest.raises(Invalid, match="does not exist"):
        groups.describe("never")
