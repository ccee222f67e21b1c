"""A cluster for tests of kubelets and rest: real control plane, real clock, instances as plain values."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from rehearsal.clock import Clock
from rehearsal.control_plane import ControlPlane, PodNetwork, find_or_build, scratch_directory
from rehearsal.kube import Json, KubeApi
from rehearsal.kubelets import Kubelets
from rehearsal.rest import Mirror, Rest

EPOCH: Final = 1_767_603_600.0  # 2026-01-05T09:00:00Z: in the real past
PODS: Final = "/api/v1/namespaces/default/pods"
JOBS: Final = "/apis/batch/v1/namespaces/default/jobs"
DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/default/deployments"
SYSTEM: Final = "/api/v1/namespaces/kube-system"
GPU_TAINT: Final = "nvidia.com/gpu=true:NoSchedule"
PLUGIN: Final = "nvcr.io/nvidia/k8s-device-plugin:v0.20.0"
EXPORTER: Final = "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-ubuntu22.04"
CONFIGS: Final = "plugin-configs"


@dataclass(frozen=True)
class Image:
    """An AMI release."""

    release: str = "1.36.2-20260714"
    family: str = "al2023"
    driver: str | None = "580.159.03"
    cuda: str | None = "13.0"
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Box:
    """An instance; its number makes its names and address."""

    number: int
    instance_type: str = "g4dn.xlarge"
    ami: str = "ami-0good"
    flags: tuple[str, ...] = ("--node-labels=nvidia.com/gpu=true", f"--register-with-taints={GPU_TAINT}")
    zone: str = "us-east-1a"
    group: str = "gpu"
    launch: int = 1

    @property
    def instance_id(self) -> str:
        """An id in EC2's shape."""
        return f"i-{self.number:017x}"

    @property
    def ip(self) -> str:
        """An address in the VPC."""
        return f"10.0.1.{self.number}"

    @property
    def private_dns(self) -> str:
        """The Node's name."""
        return f"ip-10-0-1-{self.number}.ec2.internal"

    @property
    def user_data(self) -> str:
        """A nodeadm NodeConfig, base64."""
        config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig"}
        spec = {"cluster": {"name": "demo"}, "kubelet": {"flags": list(self.flags)}}
        return base64.b64encode(yaml.safe_dump({**config, "spec": spec}).encode()).decode()


IMAGES: Final = {
    "ami-0good": Image(),
    "ami-0never": Image(faults=("never_registers",)),
    "ami-0crash": Image(faults=("plugin_crashes",)),
    "ami-0smoke": Image(faults=("smoke_fails",)),
}


@dataclass
class KubeletWorld:
    """What a test holds."""

    clock: Clock
    kube: KubeApi
    mirror: Mirror
    kubelets: Kubelets
    booted: list[Box] = field(default_factory=list)

    def boot(self, *boxes: Box) -> None:
        """Launch instances."""
        for box in boxes:
            self.kubelets.boot(box)

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.clock.sleep(seconds, "test")

    def node(self, box: Box) -> Json:
        """The Node of an instance."""
        return self.kube.get(f"/api/v1/nodes/{box.private_dns}")

    def allocatable(self, box: Box) -> str | None:
        """How many GPUs its Node offers."""
        found: str | None = self.node(box)["status"]["allocatable"].get("nvidia.com/gpu")
        return found

    def pods(self, app: str, path: str = PODS) -> list[Json]:
        """The pods with this label app, by name."""
        return sorted(self.kube.list(path, labelSelector=f"app={app}"), key=lambda pod: str(pod["metadata"]["name"]))

    def log(self, pod: Json) -> str:
        """A pod's log, through the apiserver."""
        meta = pod["metadata"]
        url = f"{self.kube.server}/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log"
        return self.raw(url)

    def raw(self, url: str) -> str:
        """Whatever the apiserver answers to a GET."""
        return self.kube._pool.request("GET", url, headers=self.kube._headers).data.decode()

    def configure(self, configs: Mapping[str, str]) -> None:
        """Create the plugin's configurations and its DaemonSet."""
        self.kube.create(f"{SYSTEM}/configmaps", {"metadata": {"name": CONFIGS}, "data": dict(configs)})
        volume = {"name": "available-configs", "configMap": {"name": CONFIGS}}
        self.daemonset("plugin", PLUGIN, volumes=[volume])

    def daemonset(self, app: str, image: str, **spec: Any) -> None:
        """Create a DaemonSet for GPU nodes."""
        template = pod_template(app, image=image, nodeSelector={"nvidia.com/gpu": "true"}, **spec)
        body = {"selector": {"matchLabels": {"app": app}}, "template": template}
        path = "/apis/apps/v1/namespaces/kube-system/daemonsets"
        self.kube.create(path, {"metadata": {"name": app}, "spec": body})


def pod_template(app: str, *, gpus: int = 0, image: str = "app:1", **spec: Any) -> Json:
    """A pod that tolerates every taint of effect NoSchedule with GPUs in mind."""
    container: Json = {"name": "main", "image": image, "command": spec.pop("command", ["run"])}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    annotations = spec.pop("annotations", {})
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    body = {"containers": [container], "tolerations": tolerations, "terminationGracePeriodSeconds": 2, **spec}
    return {"metadata": {"labels": {"app": app}, "annotations": annotations}, "spec": body}


def job(name: str, **options: Any) -> Json:
    """A Job of one pod, or of `count`."""
    count, backoff = options.pop("count", 1), options.pop("backoff", 0)
    template = pod_template(name, restartPolicy="Never", **options)
    spec = {"template": template, "backoffLimit": backoff, "completions": count, "parallelism": count}
    return {"metadata": {"name": name}, "spec": spec}


def deployment(name: str, replicas: int, **options: Any) -> Json:
    """A Deployment."""
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "selector": selector, "template": pod_template(name, **options)}
    return {"metadata": {"name": name}, "spec": spec}


@contextmanager
def kubelet_world(seed: str = "1") -> Iterator[KubeletWorld]:
    """Everything up; the test's thread holds a lease, so time passes only while it waits."""
    with ExitStack() as stack:
        plane = stack.enter_context(ControlPlane(scratch_directory(), find_or_build(), lambda _token: None))
        clock = Clock(EPOCH, seed=seed)
        stack.callback(clock.stop)
        kube = KubeApi(plane.server, str(plane.ca_file), plane.admin_token, wrote=clock.dirty)
        stack.callback(kube.close)
        mirror = Mirror(clock, kube)
        kubelets = Kubelets(clock, kube, IMAGES, mirror, seed=seed)
        stack.callback(kubelets.stop)
        network = PodNetwork(plane.podnet_socket, kubelets.serve)
        network.start()
        stack.callback(network.stop)
        clock.add_rest_check(Rest(mirror, kubelets.debt).owed)
        mirror.start()
        kubelets.start()
        with clock.lease("test"):
            clock.start()
            yield KubeletWorld(clock, kube, mirror, kubelets)
