"""The Node object as kubelet registers it, and what it writes into its status later."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.machine import Machine

KUBELET_PORT: Final = 10250
UNINITIALIZED: Final = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}
"""Kubelet's own, with an external cloud provider; the cloud's controller takes it off."""
AMI_LABEL: Final = "rehearsal.gpuops.dev/ami"
"""What the instance booted from, for whoever draws the rehearsal."""
MIG_RESOURCE: Final = "nvidia.com/mig-1g.5gb"
MIG_SLICES: Final = 7
MIG_LABELS: Final = {
    "nvidia.com/mig.capable": "true",
    "nvidia.com/mig.config": "all-1g.5gb",
    "nvidia.com/mig.config.state": "success",
    "nvidia.com/mig.strategy": "mixed",
}
ATTACHED_BY_CONTROLLER: Final = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure")


def timestamp(now: float) -> str:
    """Spell a simulated time as Kubernetes does."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_object(machine: Machine, now: float) -> Json:
    """The Node of a machine that has just joined: taints are registered only now, and it is not ready."""
    instance = machine.instance
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": machine.name, "labels": _labels(machine), "annotations": ATTACHED_BY_CONTROLLER},
        "spec": {
            "providerID": f"aws:///{instance.zone}/{instance.instance_id}",
            "taints": [UNINITIALIZED, *machine.flags.taints],
        },
        "status": {
            "capacity": machine.hardware.capacity,
            "allocatable": machine.hardware.allocatable,
            "conditions": conditions(now, "False", "KubeletNotReady", "container runtime network not ready"),
            "addresses": [
                {"type": "InternalIP", "address": instance.ip},
                {"type": "InternalDNS", "address": machine.name},
                {"type": "Hostname", "address": machine.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "nodeInfo": _info(machine),
        },
    }


def conditions(now: float, ready: str, reason: str, message: str) -> list[Json]:
    """All conditions of a node whose Ready has this status."""
    pressure = "Unknown" if ready == "Unknown" else "False"
    told = {"lastHeartbeatTime": timestamp(now), "lastTransitionTime": timestamp(now), "reason": reason}
    return [
        {"type": "Ready", "status": ready, "message": message, **told},
        *({"type": kind, "status": pressure, "message": message, **told} for kind in PRESSURES),
    ]


def ready_status(now: float) -> Json:
    """What the kubelet writes once its network is up."""
    return {"status": {"conditions": conditions(now, "True", "KubeletReady", "kubelet is posting ready status")}}


def agent_status(now: float, reason: str | None) -> Json:
    """The node monitoring agent's condition: its reason, or that all is well again."""
    told = {"reason": reason or "NvidiaAcceleratedHardwareIsReady", "message": "told by the scenario"}
    times = {"lastHeartbeatTime": timestamp(now), "lastTransitionTime": timestamp(now)}
    condition = {"type": "AcceleratedHardwareReady", "status": "False" if reason else "True", **told, **times}
    return {"status": {"conditions": [condition]}}


def rebooted_status(machine: Machine, now: float) -> Json:
    """What a kubelet writes that finds its Node there: it runs something else, and no device plugin serves yet."""
    status = conditions(now, "False", "KubeletNotReady", "container runtime network not ready")
    none = dict.fromkeys(machine.devices.offered, "0")
    return {"status": {"nodeInfo": _info(machine), "conditions": status, "capacity": none, "allocatable": none}}


def rebooted_labels(machine: Machine) -> Json:
    """Of its labels, kubelet corrects the well-known ones; taints and flags count only when a Node is created."""
    return {"metadata": {"labels": {AMI_LABEL: machine.instance.ami}}}


def silent_status(now: float) -> Json:
    """What the node lifecycle controller writes of a kubelet that it no longer hears."""
    message = "Kubelet stopped posting node status."
    return {"status": {"conditions": conditions(now, "Unknown", "NodeStatusUnknown", message)}}


def gpu_status(machine: Machine) -> Json:
    """Capacity is kept while a plugin restarts; allocatable follows at once."""
    amounts = machine.devices.amounts()
    capacity = {"capacity": amounts} if machine.devices.sharing is not None else {}
    return {"status": {**capacity, "allocatable": amounts}}


def mig_status(machine: Machine) -> Json:
    """What a plugin with the mixed strategy publishes of GPUs that are cut into the smallest slices."""
    amounts = {MIG_RESOURCE: str(MIG_SLICES * len(machine.devices.gpus))}
    return {"status": {"capacity": amounts, "allocatable": amounts}}


def _labels(machine: Machine) -> Json:
    instance = machine.instance
    return {
        **machine.flags.labels,
        **(MIG_LABELS if machine.mig else {}),
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/arch": machine.hardware.architecture,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": instance.instance_type,
        "topology.kubernetes.io/region": instance.zone[:-1],
        "topology.kubernetes.io/zone": instance.zone,
        AMI_LABEL: instance.ami,
    }


def _info(machine: Machine) -> Json:
    """Versions that move with the AMI's release, so that a new image shows in nodeInfo as it does in life."""
    release = machine.release.release
    digits = hashlib.sha256(release.encode()).hexdigest()
    system = hashlib.sha256(machine.instance.instance_id.encode()).hexdigest()
    boot = hashlib.sha256(f"{machine.instance.instance_id}/{machine.boots}".encode()).hexdigest()
    version = re.match(r"\d+\.\d+\.\d+(?=-)", release)
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}[machine.hardware.architecture]
    bottlerocket = machine.release.family == "bottlerocket"
    return {
        "architecture": machine.hardware.architecture,
        "operatingSystem": "linux",
        "osImage": f"Bottlerocket OS {release}" if bottlerocket else f"Amazon Linux 2023 ({release})",
        "kernelVersion": f"6.12.{40 + int(digits[:2], 16) % 40}-{int(digits[2:4], 16)}.amzn2023.{architecture}",
        "containerRuntimeVersion": "containerd://2.1.5",
        "kubeletVersion": f"v{version[0] if version else '1.36.3'}-eks-{digits[4:11]}",
        "kubeProxyVersion": "",
        "machineID": f"ec2{system[:29]}",
        "systemUUID": f"ec2{system[:5]}-{system[5:9]}-{system[9:13]}-{system[13:17]}-{system[17:29]}",
        "bootID": f"{boot[:8]}-{boot[8:12]}-{boot[12:16]}-{boot[16:20]}-{boot[20:32]}",
    }
