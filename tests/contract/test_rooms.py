"""Whether more instances could be had: against the rehearsal's region, and against answers it does not give.

Covered: addresses, vCPUs and quota of the region; a reservation that is active, over, a block, none; what is refused.
"""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from gpuops.adapters.groups import Groups
from gpuops.adapters.rooms import Rooms
from gpuops.domain.errors import Unavailable
from gpuops.domain.rotation.strategy import Reservation
from tests.contract.fleet_world import FleetWorld, fleet_world

TARGETED = {"CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": "cr-1"}}}


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """A region with one group of two."""
    with fleet_world() as made:
        made.stage()
        yield made


def test_the_region_says_what_is_left(world: FleetWorld) -> None:
    """Subnets of the group, and the type of its instances."""
    rooms = Rooms(world.client("ec2"), None)
    subnets = Groups(world.client("autoscaling"), world.client("ec2")).describe("gpu").subnets

    assert (rooms.addresses(subnets) or 0) > 0
    assert rooms.addresses(()) is None
    assert rooms.addresses(("subnet-0bad",)) is None
    assert (rooms.vcpus("g4dn.xlarge"), rooms.vcpus("g99.none")) == (4, None)
    assert rooms.quota("m7i.large") is None


def stubbed(service: str) -> tuple[Any, Stubber]:
    """A client whose answers a test gives."""
    client = botocore.session.get_session().create_client(
        service,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - nobody is asked
    )
    return client, Stubber(client)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([{"AvailableInstanceCount": 3, "State": "active", "ReservationType": "default"}], Reservation("cr-1", 3)),
        ([{"AvailableInstanceCount": 3, "State": "expired"}], Reservation("cr-1", 0, active=False)),
        (
            [{"AvailableInstanceCount": 1, "State": "active", "ReservationType": "capacity-block"}],
            Reservation("cr-1", 1, block=True),
        ),
        ([], None),
    ],
)
def test_a_reservation_has_free_places_while_it_lasts(found: list[Any], expected: Reservation | None) -> None:
    """One that is over launches nothing, whatever it counts."""
    ec2, answers = stubbed("ec2")
    answers.add_response("describe_capacity_reservations", {"CapacityReservations": found})
    with answers:
        assert Rooms(ec2, None).reservation(TARGETED) == expected


def test_a_group_that_launches_anywhere_has_no_reservation(world: FleetWorld) -> None:
    """Nor one with a preference only: it falls back to what is not reserved."""
    rooms = Rooms(world.client("ec2"), None)

    assert rooms.reservation({}) is None
    assert rooms.reservation({"CapacityReservationSpecification": {"CapacityReservationPreference": "open"}}) is None


def test_what_may_not_be_asked_is_not_known() -> None:
    """The choice goes on without it; what may be asked later is asked later."""
    ec2, answers = stubbed("ec2")
    quotas, values = stubbed("service-quotas")
    answers.add_client_error("describe_capacity_reservations", "UnauthorizedOperation", http_status_code=403)
    answers.add_client_error("describe_subnets", "Throttling", http_status_code=400)
    values.add_client_error("get_service_quota", "AccessDeniedException", http_status_code=400)
    values.add_response("get_service_quota", {"Quota": {"Value": 768.0}})
    with answers, values:
        rooms = Rooms(ec2, quotas)
        assert rooms.reservation(TARGETED) is None
        with pytest.raises(Unavailable):
            rooms.addresses(("subnet-1",))
        assert (rooms.quota("g5.xlarge"), rooms.quota("g5.xlarge")) == (None, 768)
