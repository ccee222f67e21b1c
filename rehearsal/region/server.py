"""The AWS region of a rehearsal: moto's server on loopback with our repairs, on the rehearsal's clock.

moto's state is global to the process, so one region runs at a time; starting one forgets the last. Left out: other
regions and accounts, and IAM's own decisions (the wire makes those).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import moto.cloudformation.parsing  # imports every service, so that the patches reach them all
import moto.core.utils
import moto.scheduler.models
import moto.sns.models
import moto.sts.models  # too late it would be imported with this region's time, and keep it
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.ec2.models.subnets import Subnet
from moto.moto_api._internal import mock_random

from rehearsal.clock import Clock
from rehearsal.engine import Progress
from rehearsal.lambdas import Lambdas
from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region import alarms, dispatch, functions_api
from rehearsal.region.alarm_events import AlarmEvents
from rehearsal.region.asked import Asked
from rehearsal.region.cloudformation import CloudFormation
from rehearsal.region.direct import exchange
from rehearsal.region.events import Bus
from rehearsal.region.http import HttpServer, Service
from rehearsal.region.kinds import AccessEntry, Account
from rehearsal.region.kinds.identity import policies_of
from rehearsal.region.mappings import Mappings
from rehearsal.region.patches import Patches
from rehearsal.region.scheduler import Scheduler
from rehearsal.region.targets import Targets
from rehearsal.region.wsgi import Answered, Headers

CONFIG: dict[str, dict[str, Any]] = {
    "stepfunctions": {"execute_state_machine": True},
    "lambda": {"use_docker": False},
    "iam": {"load_aws_managed_policies": False},
}


class Region:
    """Starts and stops with the rehearsal."""

    def __init__(self, clock: Clock, lambdas: Lambdas, *, port: int = 0) -> None:
        self._clock, self._lambdas = clock, lambdas
        self.patches = Patches()  # also for whoever answers for a service of its own, such as the fleet
        self.own: dict[str, Service] = {}  # by signing name, the services that moto lacks
        self._server = HttpServer(clock, port, self.own)
        self.account = Account()
        self.targets = Targets(clock, lambda: self.url, lambdas.wire)
        self.bus = Bus(clock, self.targets)
        self.scheduler = Scheduler(clock, self.bus)
        self.alarms = AlarmEvents(self.bus)
        self.mappings = Mappings(clock, lambdas, lambda: list(self.account.mappings.values()))

    @property
    def url(self) -> str:
        """The endpoint of every service, without the wire."""
        return self._server.url

    @property
    def access_entries(self) -> list[AccessEntry]:
        """What the deployed stacks let into clusters, with the newest values."""
        return list(self.account.access_entries)

    def start(self) -> None:
        """An empty account, from now on."""
        BackendDict.reset()
        reset_model_data()
        Subnet._base_avail_ip_iterator.cache_clear()  # noqa: SLF001 - it keeps instances, and so a whole region
        mock_random.seed(self._clock.seed)
        self._install()
        exchange().connect(self._server.direct)
        self._server.start()

    def stop(self) -> None:
        """Stop serving; moto is as it was before."""
        self._server.stop()
        self.scheduler.close()
        self.patches.restore()

    def ask(self, method: str, target: str, headers: Headers, body: bytes) -> Answered:
        """Answer a call of somebody in this process, such as the wire: what it would hear at `url`."""
        return self._server.direct(method, target, headers, body)

    def emit(
        self, source: str, detail_type: str, detail: Mapping[str, Any], resources: list[str] | None = None
    ) -> dict[str, Any]:
        """An AWS service speaks on the default bus."""
        return self.bus.emit(source, detail_type, detail, resources)

    def listen(self, progress: Progress) -> None:
        """As a listener of the engine: executions that start and end are events, too."""
        self.bus.execution_changed(progress)

    @property
    def said(self) -> list[str]:
        """Every message that was published on a topic of the account, in order."""
        topics = moto.sns.models.sns_backends[ACCOUNT][REGION].topics.values()
        return [str(message) for topic in topics for _, message, *_ in topic.sent_notifications]

    def policies_of(self, role_arn: str) -> list[dict[str, Any]]:
        """Every policy document of the role as rendered. Raises: LookupError when there is no such role."""
        return policies_of(role_arn)

    def _install(self) -> None:
        for service, settings in CONFIG.items():
            for key, value in settings.items():
                self.patches.item(default_user_config.setdefault(service, {}), key, value)
        # `sam deploy` compares the times of stack events with its own clock: CloudFormation keeps the wall clock.
        self.patches.everywhere(moto.core.utils.utcnow, self._utcnow, "moto.", but="moto.cloudformation")
        dispatch.install(self.patches)
        functions_api.install(self.patches, self._lambdas)
        CloudFormation(self.account).install(self.patches)
        Asked(self.account).install(self.patches)
        alarms.install(self.patches)
        self.alarms.install(self.patches)
        self.mappings.install(self.patches)
        self.bus.install(self.patches)
        self.scheduler.install(self.patches)

    def _utcnow(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.now(), dt.UTC).replace(tzinfo=None)
