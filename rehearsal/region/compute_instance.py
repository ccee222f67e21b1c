"""One EC2 instance: moto's, but slow to start and to end, and on the clock.

moto's own are running in the call that launches them and gone in the call that terminates them, under a random id.
"""

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.ec2.models.instances import Instance, InstanceState, StateReason

from rehearsal.region.fleet_ports import Timers, moment

RUNNING, TERMINATED, STOPPED = 16, 48, 80


class SimulatedInstance(Instance):  # type: ignore[misc]
    """moto's instance, with the seed's id and the clock's times, and slow to end."""

    def __init__(
        self,
        *args: Any,
        instance_id: str,
        timers: Timers,
        on_terminate: Callable[[str], None],
        on_reboot: Callable[[str], None],
        on_stop: Callable[[str], None],
        **kw: Any,
    ) -> None:
        super().__init__(*args, **kw)
        self.id = instance_id
        self.capacity_reservation_id = ""
        self.launch_time = moment(timers)
        self._state = InstanceState("pending", 0)
        self._on_terminate, self._on_reboot, self._on_stop = on_terminate, on_reboot, on_stop

    @property
    def private_dns_name(self) -> str:
        """AWS shows no name once an instance is terminated: whoever needs it later must have kept it."""
        return "" if self.state_code == TERMINATED else str(super().private_dns_name)

    def date_parts(self, time: datetime) -> None:
        """Interfaces and volumes too: by itself moto stamps them with the wall clock."""
        for interface in self.nics.values():
            interface.attach_time = time
        for device in self.block_device_mapping.values():
            device.attach_time = time
            volume = self.ec2_backend.volumes[device.volume_id]
            volume.create_time = volume.attachment.attach_time = time

    def run(self) -> None:
        """Pending is over, unless it was terminated meanwhile."""
        if self.state_code == 0:
            self._state = InstanceState("running", 16)

    def reboot(self) -> None:
        """EC2 asks the system to restart; the instance stays running to whoever looks."""
        if self.state_code == RUNNING:
            self._on_reboot(self.id)

    def stop(self) -> InstanceState:
        """Start stopping; forced or not, it takes the same time here, and a second call changes nothing."""
        before = copy.copy(self._state)
        if before.code == RUNNING:
            self._state = InstanceState("stopping", 64)
            self._on_stop(self.id)
        return before

    def halt(self) -> None:
        """It has stopped, unless it was terminated meanwhile."""
        if self.state == "stopping":
            self._state = InstanceState("stopped", STOPPED)

    def terminate(self) -> InstanceState:
        """Start shutting down; a second call changes nothing, as on AWS."""
        before = copy.copy(self._state)
        if before.code in (0, RUNNING, 64, STOPPED):
            self._state = InstanceState("shutting-down", 32)
            self._on_terminate(self.id)
        return before

    def end(self, time: str) -> None:
        """The machine is gone; its root volume and interface go with it."""
        super().terminate()
        self._reason = f"User initiated ({time})"
        self.state_reason = StateReason("Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiated")
