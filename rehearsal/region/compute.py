"""EC2 instances on the clock, kept in moto's EC2 so that DescribeInstances and its filters are moto's.

moto's own instances are running at once, gone at once, carry random ids and read the wall clock. These take their
id, address and delays from the seed, hold capacity of their zone, and pass through pending and shutting-down.
Leaves out: start after a stop, spot, volumes other than the root, and RunInstances from outside, which stays moto's (no
kubelet boots there). A terminated instance stays listed for ever, with its address but, as on AWS, without its name.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Reservation
from moto.ec2.utils import filter_dict_attribute_mapping, parse_user_data
from moto.moto_api._internal import mock_random

from rehearsal.region.compute_instance import SimulatedInstance
from rehearsal.region.compute_order import NoCapacityError, NoImageError, Order
from rehearsal.region.fleet_ports import ACCOUNT, REGION, SimInstance, Timers, digest, moment, spread, stamp
from rehearsal.region.instance_types import Capacity, Shelf, add_missing_types

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
"""Nobody launches moto's own thousand images, and to make them was most of what a new region cost."""
PENDING_SECONDS = (10, 20)
SHUTDOWN_SECONDS = (30, 60)
STOP_SECONDS = 40


class Compute:
    """Launches and ends instances in one VPC with one subnet for each zone, and tells its listeners."""

    def __init__(self, timers: Timers, zones: Mapping[str, Capacity], *, seed: str = "1") -> None:
        self.shelf = Shelf(zones)
        self.replaced: list[Callable[[SimInstance], None]] = []
        self.launched: list[Callable[[SimInstance], None]] = []
        self.shutting_down: list[Callable[[str], None]] = []
        self.terminated: list[Callable[[str], None]] = []
        self._timers, self._seed = timers, seed
        self._machines: dict[str, SimInstance] = {}
        self._free = {zone: _addresses(index) for index, zone in enumerate(zones)}
        self.ec2 = ec2_backends[ACCOUNT][REGION]
        self.vpc, self.subnets = self._network(list(zones))
        add_missing_types()
        filter_dict_attribute_mapping["capacity-reservation-id"] = (
            "capacity_reservation_id"  # moto knows no such filter
        )

    def _network(self, zones: list[str]) -> tuple[str, dict[str, str]]:
        mock_random.seed(int(digest(self._seed)[:8], 16))  # subnet ids end up in events, which two runs must share
        vpc = self.ec2.create_vpc("10.0.0.0/16")
        return str(vpc.id), {
            zone: str(self.ec2.create_subnet(vpc.id, f"10.0.{32 * index}.0/19", availability_zone=zone).id)
            for index, zone in enumerate(zones)
        }

    def launch(self, order: Order, *, ordinary: bool = True) -> SimInstance:
        """Start an instance. One that was there before the story (not `ordinary`) runs and uses no capacity.

        Raises: NoCapacityError, NoImageError.
        """
        if order.image not in self.ec2.amis:
            raise NoImageError(f"The image id '[{order.image}]' does not exist")
        if ordinary and not self.shelf.take(order.zone, order.instance_type):
            raise NoCapacityError(order.unfilled(self.shelf.elsewhere(order.zone, order.instance_type)))
        instance = self._create(order)
        machine = _machine(instance, order)
        self._machines[instance.id] = machine
        if ordinary:
            delay = spread(*PENDING_SECONDS, self._seed, instance.id, "pending")
            self._timers.call_later(delay, f"ec2/{instance.id}/running", instance.run)
        else:
            instance.run()
        for listen in self.launched:
            listen(machine)
        return machine

    def replace_root(self, instance_id: str, image: str, user_data: str) -> None:
        """The same instance reboots from a new volume of this image."""
        machine = replace(self._machines[instance_id], ami=image, user_data=user_data)
        self._machines[instance_id] = machine
        self.ec2.get_instance(instance_id).image_id = image
        for listen in self.replaced:
            listen(machine)

    def instance(self, instance_id: str) -> SimulatedInstance | None:
        """The record that DescribeInstances shows, of one of our own instances."""
        return self.ec2.get_instance(instance_id) if instance_id in self._machines else None

    def machine(self, instance_id: str) -> SimInstance:
        """What was launched under this id."""
        return self._machines[instance_id]

    def pending_seconds(self, instance_id: str) -> float:
        """How long the instance stays pending: its group moves on in the same instant."""
        return spread(*PENDING_SECONDS, self._seed, instance_id, "pending")

    def _create(self, order: Order) -> SimulatedInstance:
        address = next(self._free[order.zone])
        instance = SimulatedInstance(
            self.ec2,
            order.image,
            parse_user_data(str(order.data["UserData"])) if order.data.get("UserData") else None,
            [],
            instance_id=f"i-0{digest(self._seed, order.name)[:16]}",
            timers=self._timers,
            on_terminate=self._shut_down,
            on_reboot=self._reboot,
            on_stop=self._stop,
            instance_type=order.instance_type,
            subnet_id=self.subnets[order.zone],
            private_ip=address,
            nics=[{"DeviceIndex": 0, "DeleteOnTermination": True}],
            associate_public_ip=False,
            region_name=REGION,
        )
        instance.capacity_reservation_id = order.reservation
        instance.add_tags(dict(order.tags))
        reservation = Reservation(f"r-0{digest(self._seed, order.name, 'r')[:16]}", owner_id=ACCOUNT)
        reservation.instances.append(instance)
        self.ec2.reservations[reservation.id] = reservation
        instance.setup_defaults()
        instance.date_parts(moment(self._timers))
        return instance

    def _reboot(self, instance_id: str) -> None:
        """From the volume that it has."""
        for listen in self.replaced:
            listen(self._machines[instance_id])

    def _stop(self, instance_id: str) -> None:
        """Its place is held until its end: whoever stops one here terminates it next."""
        for listen in self.shutting_down:
            listen(instance_id)
        halt = self.ec2.get_instance(instance_id).halt
        self._timers.call_later(STOP_SECONDS, f"ec2/{instance_id}/stopped", halt)

    def _shut_down(self, instance_id: str) -> None:
        for listen in self.shutting_down:
            listen(instance_id)
        delay = spread(*SHUTDOWN_SECONDS, self._seed, instance_id, "shutdown")
        self._timers.call_later(delay, f"ec2/{instance_id}/terminated", lambda: self._end(instance_id))

    def _end(self, instance_id: str) -> None:
        machine = self._machines[instance_id]
        self.ec2.get_instance(instance_id).end(stamp(self._timers))
        self.shelf.give_back(machine.zone, machine.instance_type)
        for listen in self.terminated:
            listen(instance_id)


def _addresses(index: int) -> Any:
    """Addresses of a zone's subnet; AWS keeps the first four for itself."""
    hosts = ipaddress.ip_network(f"10.0.{32 * index}.0/19").hosts()
    for _ in range(3):
        next(hosts)
    return (str(host) for host in hosts)


def _machine(instance: SimulatedInstance, order: Order) -> SimInstance:
    return SimInstance(
        instance_id=instance.id,
        instance_type=order.instance_type,
        zone=order.zone,
        ami=order.image,
        user_data=str(order.data.get("UserData") or ""),
        group=order.group,
        private_dns=instance.private_dns_name,
        ip=str(instance.private_ip),
        launch=int(order.name.rpartition("/")[2]),
    )
