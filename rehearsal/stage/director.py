"""Plays one scenario on a world: sets the stage, lets the story run, and knows when it is over.

It runs as a simulated thread, so that its own waits are timers of the clock like everybody's.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import count

import yaml

from rehearsal.deploy import BuiltCode, deploy
from rehearsal.kube import Json
from rehearsal.layer import SOURCE, built_layer
from rehearsal.observer import Observed, Observer
from rehearsal.region.fleet_groups import NODE_ROLE_ARN, create_node_profile
from rehearsal.rest.reading import is_ready
from rehearsal.scenario import Scenario, Workload, collection
from rehearsal.stage import outcome
from rehearsal.stage.plot import Plot
from rehearsal.stage.records import Records
from rehearsal.stage.workloads import Object, objects_of
from rehearsal.world import World

TEMPLATE = SOURCE.parents[1] / "template.yaml"
RBAC = SOURCE / "gpuops" / "manifests" / "rbac.yaml"
LOOK_SECONDS = 30.0
"""Simulated seconds between two looks whether the story is over."""
LOOKS_A_SAMPLE = 10
"""The observer compares groups and Nodes every so many looks: that costs calls."""
STACK_PARAMETERS = {
    "Architecture": "x86_64",
    "NodeRoleArn": NODE_ROLE_ARN,
    "FaultSchedule": "rate(1 day)",
    "RebalanceSchedule": "rate(15 minutes)",
}
"""Most stories have no use for a look each minute; those that are about it say so."""

OWN_NAMESPACES = ("default", "kube-system")
"""Those that Kubernetes makes by itself."""


class StageError(Exception):
    """The stage could not be set: the scenario asks for more than its machines can carry."""


class Director:
    """One scenario on one world."""

    def __init__(self, world: World, records: Records, say: Callable[[str], None]) -> None:
        self._world, self._records, self._say = world, records, say
        self.scenario: Scenario = world.scenario
        self.outputs: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        """What the stack was deployed with."""
        self._plot = Plot(world, records, self._create)

    def set_stage(self) -> None:
        """Bring up machines and workloads, and deploy the stack at the story's first instant.

        Raises: StageError when they do not come up before the story begins; DeployError.
        """
        world, scenario = self._world, self.scenario
        self._say("setting the stage")
        world.premises.install(_applied(RBAC.read_text(encoding="utf-8")))
        for release in scenario.releases:
            if release.at == 0:
                world.fleet.images.publish(release)
        create_node_profile(world.region.account.client("iam"))
        for group in scenario.groups:
            world.fleet.create_group(group, scenario.release_of(group))
        self._create_namespaces(scenario.workloads)
        first = [w for w in scenario.workloads if w.at == 0]
        for kinds in (("daemonset",), ("deployment", "job")):
            self._create(o for w in first if w.kind in kinds for o in objects_of(w))
            self._wait_until(self._unready, scenario.epoch)
        world.clock.sleep(scenario.epoch - world.clock.now(), "stage")
        for alarm in scenario.alarms:
            self._plot.bells.create(alarm)
        self._say("deploying the stack")
        self.deploy()

    def deploy(self) -> None:
        """Create the stack, or update it to the code as it stands; then upload the policy."""
        world, built = self._world, BuiltCode({"GpuopsLayer": built_layer()})
        self.parameters = {
            "ClusterName": self.scenario.cluster,
            "RegistryMirror": world.registry.url,
            **STACK_PARAMETERS,
            **self.scenario.parameters,
        }
        for name, value in self.scenario.parameters.items():
            if name.endswith("TopicArn"):
                world.region.account.client("sns").create_topic(Name=value.rpartition(":")[2])
        self.outputs = self._plot.outputs = deploy(TEMPLATE, built, world.region.account, self.parameters)
        self._plot.upload_policy(self.scenario.policy_text)

    def play(self, observer: Observer) -> Observed:
        """Let the story run to its end, and return what the observer saw."""
        self._say("the story runs")
        observer.start()
        self._world.clock.add_rest_check(observer.debt)
        self._plot.schedule()
        end = self.scenario.epoch + self.scenario.until_seconds
        for look in count(1):
            if self._is_over() or self._world.clock.now() >= end:
                break
            self._world.clock.sleep(LOOK_SECONDS, "director")
            if look % LOOKS_A_SAMPLE == 0 or self.scenario.expect.suspended:
                observer.sample(self._world.clock.now() - self.scenario.epoch)
        self._let_aftermath_pass(end)
        return observer.finish()

    def _let_aftermath_pass(self, end: float) -> None:
        """What began meanwhile, such as the next roll of a detected release, ends before the world is judged.

        What goes wrong in the aftermath has one of its own.
        """
        begun = self._world.clock.now()
        while (left := self._aftermath_of(begun)) > 0:
            self._world.clock.sleep(left, "director")
        while self._records.running() and self._world.clock.now() < end:
            self._world.clock.sleep(max(self.scenario.aftermath_seconds, LOOK_SECONDS), "director")

    def _aftermath_of(self, begun: float) -> float:
        """Seconds that are left of it."""
        since = max(begun, self._plot.troubles.last)
        return since + self.scenario.aftermath_seconds - self._world.clock.now()

    def unmet(self, observed: Observed) -> Iterator[str]:
        """Say what the scenario expected and did not get."""
        yield from outcome.unmet(
            self.scenario.expect, self._records.all(), observed, self._finished_jobs(), self.scenario.epoch
        )
        yield from outcome.unheard(self.scenario.expect, self._world.region.bus.heard)
        yield from outcome.unsaid(self.scenario.expect, self._world.region.said)
        yield from outcome.uncounted(self.scenario.expect, self._plot.messages_in)
        yield from outcome.too_fast(self.scenario.expect, self._world.wire_record)
        yield from outcome.out_of_order(self.scenario.expect, self._world.wire_record)

    def _is_over(self) -> bool:
        """All moments are past, everything expected has ended, well or badly, and nothing runs any more."""
        expect = self.scenario.expect
        if self._world.clock.now() < self.scenario.epoch + max((m.at for m in self.scenario.timeline), default=0):
            return False
        return outcome.has_ended(expect, self._records.all()) and set(expect.jobs_finished) <= self._finished_jobs()

    def _finished_jobs(self) -> set[str]:
        jobs = list(self._world.mirror.objects["job"].values())
        return {j["metadata"]["name"] for j in jobs if _has(j, "Complete")}

    def _create(self, objects: Iterable[Object]) -> None:
        for item in objects:
            namespace = item["metadata"].get("namespace", "default")
            self._world.kube.create(collection(item["kind"], namespace), item)

    def _create_namespaces(self, workloads: Iterable[Workload]) -> None:
        """Whoever installs something has made its namespace."""
        for name in sorted({w.namespace for w in workloads} - set(OWN_NAMESPACES)):
            if self._world.kube.find(f"/api/v1/namespaces/{name}") is None:
                self._create([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])

    def _wait_until(self, left: Callable[[], str | None], deadline: float) -> None:
        """Let simulated time pass until nothing is left to wait for."""
        while (waiting := left()) is not None:
            if self._world.clock.now() >= deadline:
                raise StageError(f"the stage is not set: {waiting}")
            self._world.clock.sleep(5.0, "stage")

    def _unready(self) -> str | None:
        """Name a node or a pod that the stage still waits for."""
        mirror = self._world.mirror
        with mirror.lock:
            nodes, pods = list(mirror.nodes.values()), list(mirror.objects["pod"].values())
        wanted = sum(group.size for group in self.scenario.groups)
        ready = sum(_has(node, "Ready") for node in nodes)
        if ready < wanted:
            return f"{ready} of {wanted} nodes are Ready"
        waiting = [pod["metadata"]["name"] for pod in pods if not is_ready(pod) and not _ended(pod)]
        return f"pods are not Ready: {', '.join(sorted(waiting)[:5])}" if waiting else None


@cache
def _applied(text: str) -> list[Object]:
    """What an administrator applies, read once for all stories: the parser is pure Python."""
    return list(yaml.safe_load_all(text))


def _has(item: Json, condition: str) -> bool:
    conditions = item.get("status", {}).get("conditions", ())
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


def _ended(pod: Json) -> bool:
    return bool(pod["status"].get("phase") in ("Succeeded", "Failed"))
