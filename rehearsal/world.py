"""Composes a rehearsal's world: the real control plane, and around it clock, region, wire, kubelets and functions.

Everything is started here in the one order that works, and ended in the reverse one, whatever happened in between.
"""

import logging
from pathlib import Path
from typing import Any

from botocore.config import Config

from rehearsal import engine
from rehearsal.clock import Clock
from rehearsal.control_plane import Identity
from rehearsal.kube import KubeApi, KubeError
from rehearsal.kubelets import Kubelets
from rehearsal.lambdas import Lambdas
from rehearsal.premises import Premises
from rehearsal.region.direct import session
from rehearsal.region.eks.cluster import Cluster
from rehearsal.region.eks.nodes import Nodes
from rehearsal.region.fleet import Fleet
from rehearsal.region.fleet_ports import REGION
from rehearsal.region.server import Region
from rehearsal.region.workspace import Workspace
from rehearsal.rest import Mirror, Rest
from rehearsal.scenario import Scenario
from rehearsal.standing import Standing
from rehearsal.wire import OUTSIDE, Wire

STAGE_SECONDS = 1800
"""Simulated seconds before the story in which machines boot and workloads start."""
NOT_FOUND = 404
ONCE = Config(retries={"total_max_attempts": 1})


class World(Standing):
    """Up between `with` and its end; the stage is still empty."""

    def __init__(
        self,
        scenario: Scenario,
        binaries: Path,
        out: Path,
        *,
        pace: float | None = None,
        port: int = 0,
        listener: engine.Listener | None = None,
        premises: Premises | None = None,
    ) -> None:
        """`premises` that are given are up, and stay so; else the world has its own."""
        super().__init__()
        self.scenario, self._binaries, self._out = scenario, binaries, out
        self._pace, self._port, self._listener = pace, port, listener
        self._premises = premises

    @property
    def wire_record(self) -> Path:
        """Every call, one JSON object a line."""
        return self._out / "wire.jsonl"

    def _start(self) -> None:
        self.premises = self._premises or self._stack.enter_context(Premises(self._binaries, kept=False))
        self.clock = Clock(self.scenario.epoch - STAGE_SECONDS, seed=self.scenario.seed, pace=self._pace)
        self.premises.move_in(self.scenario.workloads, self._authenticate)
        self._stack.callback(self.premises.move_out)
        self.plane, self.registry = self.premises.plane, self.premises.registry
        self._start_region()
        self._start_wire()
        self._start_cluster()
        self._bind_engine()
        self.clock.start()
        self._stack.callback(self.clock.stop)

    def _start_region(self) -> None:
        logs, code, warm = self._out / "logs", self.premises.code, self.premises.warm
        self.lambdas = Lambdas(self.clock, lambda: self.wire, logs, folder=code, warm=warm)
        self._stack.callback(self.lambdas.close)
        self.region = Region(self.clock, self.lambdas, port=self._port)
        self._up(self.region)

    def _start_wire(self) -> None:
        self.wire = Wire(
            self.clock,
            self.region.url,
            self.plane.server,
            self.plane.ca_file,
            policies=self.region.policies_of,
            record=self.wire_record,
            cluster=self.scenario.cluster,
            gates=self.premises.gates,
            region=self.region.ask,
        )
        self.wire.ends(self.lambdas.interrupt)
        self.lambdas.faults = self.wire.faults
        self._up(self.wire)
        self.region.account.refusal = self.wire.refusal

    def _start_cluster(self) -> None:
        scenario = self.scenario
        self.kube = self._kube()
        self.mirror = Mirror(self.clock, self._kube())
        releases = {release.ami: release for release in scenario.releases}
        groups = {group.name: group for group in scenario.groups}
        self.kubelets = Kubelets(self.clock, self._kube(), releases, self.mirror, groups=groups, seed=scenario.seed)
        self.premises.network.switch(self.kubelets.serve)
        self.fleet = Fleet(
            self.clock,
            self.region.emit,
            self.kubelets,
            cluster=Cluster(scenario.cluster, scenario.kubernetes, self.wire.kube_url, self.wire.ca_pem),
            zones={zone.name: zone.capacity for zone in scenario.zones},
            delete_node=self._delete_node,
            nodes=Nodes(self.kube),
            seed=scenario.seed,
        )
        self.fleet.install(self.region.patches)
        self.region.own["imagebuilder"] = self.fleet.builder.answer
        self.region.own["aps"] = Workspace(self.kubelets.exported, scenario.cluster).answer
        self.rest = Rest(self.mirror, self.kubelets.debt)
        self.clock.add_rest_check(self.rest.owed)
        self.mirror.start()
        self._up(self.kubelets)

    def _bind_engine(self) -> None:
        engine.install(
            self.clock,
            self.lambdas.invoke,
            client_for=self._machine_client,
            authorise=self._may_invoke,
            listener=self._hear,
        )

    def _hear(self, progress: engine.Progress) -> None:
        """Step Functions tells the bus of its executions; whoever watches the rehearsal hears of each state."""
        self.region.listen(progress)
        if self._listener:
            self._listener(progress)

    def _up(self, part: Any) -> None:
        """Start a part, to be stopped with the world, even if starting it failed half-way."""
        self._stack.callback(part.stop)
        part.start()

    def _kube(self) -> KubeApi:
        api = self.premises.kube(self.clock.dirty)
        self._stack.callback(api.close)
        return api

    def _authenticate(self, token: str) -> Identity | None:
        """What EKS does behind the token webhook: token to role to access entry; who made the cluster is its admin."""
        role = self.wire.identify(token)
        if role == OUTSIDE:
            return Identity(OUTSIDE, ("system:masters",))
        for entry in self.region.access_entries:
            if (entry.cluster, entry.principal_arn) == (self.scenario.cluster, role):
                return Identity(entry.username, entry.groups)
        return None

    def _machine_client(self, service: str, role_arn: str) -> Any:
        """A state machine's own call passes the wire under the machine's role.

        It is tried once: nobody says that Step Functions itself tries again, so what fails reaches the state's Retry.
        """
        keys = self.wire.credentials(role_arn, "states")
        given = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
        return session().client(service, region_name=REGION, endpoint_url=self.wire.aws_url, config=ONCE, **given)

    def _may_invoke(self, role_arn: str, function: str) -> bool:
        refusal = self.wire.authorize(role_arn, "states", "lambda", "Invoke", {"FunctionName": function})
        if refusal:
            logging.getLogger(__name__).warning(refusal)
        return refusal is None

    def _delete_node(self, name: str) -> None:
        """The cloud controller's part; somebody may have been faster."""
        try:
            self.kube.delete(f"/api/v1/nodes/{name}")
        except KubeError as error:
            if error.status != NOT_FOUND:
                raise
