"""Makes the scenario's moments happen, each at its simulated second.

Whatever it does, it does as somebody from outside would: through the region's and the cluster's own APIs.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rehearsal.deploy import STACK
from rehearsal.scenario import (
    Bounds,
    MachineFault,
    Message,
    Moment,
    Patch,
    RemoveTaint,
    Scale,
    Scenario,
    Steer,
    collection,
)
from rehearsal.stage.bells import Bells
from rehearsal.stage.casting import Cast
from rehearsal.stage.records import Records
from rehearsal.stage.troubles import Troubles
from rehearsal.stage.workloads import Object, objects_of
from rehearsal.world import World

POLICY_KEY = "fleet.yaml"
STEERS, OPERATOR = "SteerRunFunction", "arn:aws:iam::123456789012:user/operator"


class StoryError(Exception):
    """What the scenario lets somebody do was refused."""


class Plot:
    """One scenario's releases, workloads, moments and trigger."""

    def __init__(self, world: World, records: Records, create: Callable[[Iterable[Object]], None]) -> None:
        self._world, self._records, self._create = world, records, create
        self._scenario: Scenario = world.scenario
        self._cast = Cast(world)
        self.bells = Bells(world, self._cast)
        self.troubles = Troubles(world, records)
        self.outputs: Mapping[str, str] = {}
        """The stack's, once it is deployed."""

    def schedule(self) -> None:
        """Set a timer for whatever the scenario does by itself."""
        scenario = self._scenario
        self._cast.remember()
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
        for kind, act in self._acts().items():
            if (what := getattr(moment, kind)) is not None:
                act(what)

    def _acts(self) -> dict[str, Callable[[Any], object]]:
        """What each kind of moment does."""
        world, kube = self._world, self._world.kube
        return {
            **self.troubles.acts(),
            "event": self._emit,
            "abort": self._abort,
            "start": lambda start: self._start(start.machine, start.input),
            "steer": self._steer,
            "capacity": world.fleet.set_capacity,
            "scale": self._scale,
            "desired": self._desire,
            "limits": self._limit,
            "terminate": self._terminate,
            "policy": self.upload_policy,
            "delete": lambda named: kube.delete(f"{collection(named.kind, named.namespace)}/{named.name}"),
            "patch": self._patch,
            "remove_taint": self._remove_taint,
            "machine_fault": self._machine_fault,
            "alarm": self.bells.change,
            "message": self._send,
            "withdraw": world.fleet.images.withdraw,
            "replace_root_volume": lambda swap: world.fleet.replace_root_volume(swap.group, swap.ami),
        }

    def _abort(self, machine: str) -> None:
        for record in self._records.running(machine):
            self._states().stop_execution(executionArn=record.arn, cause="aborted by the scenario")

    def _steer(self, word: Steer) -> None:
        """Hand the word to the stack's function, as the CLI does. Raises: StoryError when the answer is no."""
        function = self._world.region.account.client("lambda")
        now = datetime.fromtimestamp(self._world.clock.now(), UTC).isoformat()
        given = word.model_dump(include={"wish", "reason", "roll_back"}, exclude_defaults=True)
        given |= {"by": OPERATOR, "now": now}  # who calls it by hand leaves the time out, and has the world's own
        names = [record.name for record in self._records.running(word.machine)] if word.machine else [None]
        for name in names:
            event = given | ({"run": name} if name else {})
            called = function.invoke(FunctionName=self._physical(STEERS), Payload=json.dumps(event).encode())
            if called.get("FunctionError"):
                raise StoryError(f"{word.wish} {name or 'all'}: {called['Payload'].read().decode()}")

    def _physical(self, logical: str) -> str:
        """Name of one of the stack's resources."""
        stack = self._world.region.account.client("cloudformation")
        found = stack.describe_stack_resource(StackName=STACK, LogicalResourceId=logical)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def _patch(self, patch: Patch) -> None:
        path = f"{collection(patch.kind, patch.namespace)}/{patch.name}"
        self._world.kube.patch(path, patch.patch, manager=patch.manager)

    def _remove_taint(self, removal: RemoveTaint) -> None:
        """As `kubectl taint nodes NAME KEY-` does."""
        node = self._cast.nodes(removal.group)[0]
        taints = [taint for taint in node["spec"].get("taints", ()) if taint["key"] != removal.key]
        version = {"resourceVersion": node["metadata"]["resourceVersion"]}
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        self._world.kube.patch(path, {"metadata": version, "spec": {"taints": taints}}, manager="kubectl-taint")

    def _machine_fault(self, fault: MachineFault) -> None:
        self._world.kubelets.afflict(self._cast.instances(fault.group)[fault.index], fault.faults)

    def messages_in(self, queue: str) -> int:
        """How many messages one of the stack's queues holds, whether somebody works on them or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs = self._world.region.account.client("sqs")
        found = sqs.get_queue_attributes(QueueUrl=self._physical(queue), AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def _send(self, message: Message) -> None:
        sqs = self._world.region.account.client("sqs")
        sqs.send_message(QueueUrl=self._physical(message.queue), MessageBody=message.body)

    def _emit(self, event: Mapping[str, Any]) -> None:
        event = self._cast.named(event)
        resources = event.get("resources", [])
        self._world.region.emit(event["source"], event["detail-type"], event["detail"], resources)

    def _start(self, machine: str, given: Mapping[str, Any]) -> None:
        arn = self.outputs["".join(word.capitalize() for word in machine.split("_")) + "MachineArn"]
        self._states().start_execution(stateMachineArn=arn, input=json.dumps(self._cast.named(given)))

    def _scale(self, scale: Scale) -> None:
        path = f"/apis/apps/v1/namespaces/{scale.namespace}/deployments/{scale.deployment}/scale"
        self._world.kube.patch(path, {"spec": {"replicas": scale.replicas}})

    def _desire(self, sizes: Mapping[str, int]) -> None:
        autoscaling = self._world.region.account.client("autoscaling")
        for group, size in sizes.items():
            autoscaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=size)

    def _limit(self, limits: Mapping[str, Bounds]) -> None:
        autoscaling = self._world.region.account.client("autoscaling")
        for group, bounds in limits.items():
            given = {"MinSize": bounds.min, "MaxSize": bounds.max}
            sizes = {key: size for key, size in given.items() if size is not None}
            autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, **sizes)

    def _terminate(self, group: str) -> None:
        autoscaling = self._world.region.account.client("autoscaling")
        found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
        first = min(i["InstanceId"] for i in found["Instances"] if i["LifecycleState"] == "InService")
        autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=False)

    def _states(self) -> Any:
        return self._world.region.account.client("stepfunctions")
