"""Makes the scenario's moments happen, each at its simulated second.

Whatever it does, it does as somebody from outside would: through the region's and the cluster's own APIs.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from rehearsal.scenario import Moment, Scale, Scenario
from rehearsal.stage.records import Records
from rehearsal.stage.workloads import Object, objects_of
from rehearsal.wire import Fault
from rehearsal.world import World

POLICY_KEY = "fleet.yaml"


class Plot:
    """One scenario's releases, workloads, moments and trigger."""

    def __init__(self, world: World, records: Records, create: Callable[[Iterable[Object]], None]) -> None:
        self._world, self._records, self._create = world, records, create
        self._scenario: Scenario = world.scenario
        self.outputs: Mapping[str, str] = {}
        """The stack's, once it is deployed."""

    def schedule(self) -> None:
        """Set a timer for whatever the scenario does by itself."""
        scenario = self._scenario
        for release in scenario.releases:
            if release.at > 0:
                self._world.fleet.images.schedule(release)
        for workload in scenario.workloads:
            if workload.at > 0:
                self._later(workload.at, f"workload/{workload.name}", partial(self._create, objects_of(workload)))
        for number, moment in enumerate(scenario.timeline):
            self._later(moment.at, f"moment/{number}", partial(self._happen, moment))
        trigger = scenario.trigger
        if trigger.kind == "event":
            self._later(trigger.at, "trigger", lambda: self._emit(trigger.event or {}))
        elif trigger.kind == "execution":
            self._later(trigger.at, "trigger", lambda: self._start(trigger.machine or "", trigger.input))

    def upload_policy(self, text: str) -> None:
        """Put fleet.yaml where the functions read it, well-formed or not."""
        bucket = self.outputs["PolicyBucketName"]
        self._world.region.account.client("s3").put_object(Bucket=bucket, Key=POLICY_KEY, Body=text.encode())

    def _later(self, at: float, key: str, act: Callable[[], object]) -> None:
        self._world.clock.call_later(at, f"story/{key}", act)

    def _happen(self, moment: Moment) -> None:
        """Play one moment of the timeline; the scenario's model has made sure that it is one thing."""
        if moment.event is not None:
            self._emit(moment.event)
        if moment.fault is not None:
            self._world.wire.faults.append(Fault(**moment.fault.model_dump(exclude_none=True)))
        if moment.abort is not None:
            for record in self._records.running(moment.abort):
                self._states().stop_execution(executionArn=record.arn, cause="aborted by the scenario")
        if moment.start is not None:
            self._start(moment.start.machine, moment.start.input)
        if moment.capacity is not None:
            self._world.fleet.set_capacity(moment.capacity)
        if moment.scale is not None:
            self._scale(moment.scale)
        if moment.terminate is not None:
            self._terminate(moment.terminate)
        if moment.policy is not None:
            self.upload_policy(moment.policy)

    def _emit(self, event: Mapping[str, Any]) -> None:
        resources = event.get("resources", [])
        self._world.region.emit(event["source"], event["detail-type"], event["detail"], resources)

    def _start(self, machine: str, given: Mapping[str, Any]) -> None:
        arn = self.outputs["".join(word.capitalize() for word in machine.split("_")) + "MachineArn"]
        self._states().start_execution(stateMachineArn=arn, input=json.dumps(given))

    def _scale(self, scale: Scale) -> None:
        path = f"/apis/apps/v1/namespaces/{scale.namespace}/deployments/{scale.deployment}/scale"
        self._world.kube.patch(path, {"spec": {"replicas": scale.replicas}})

    def _terminate(self, group: str) -> None:
        autoscaling = self._world.region.account.client("autoscaling")
        found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
        first = min(i["InstanceId"] for i in found["Instances"] if i["LifecycleState"] == "InService")
        autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=False)

    def _states(self) -> Any:
        return self._world.region.account.client("stepfunctions")
