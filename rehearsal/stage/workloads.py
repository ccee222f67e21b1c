"""Turns a scenario's workloads into Kubernetes objects, as their owners would have applied them.

The presets stand for what an operator has installed before gpuops: the device plugin with its configurations, the
exporter of GPU metrics, or NVIDIA's GPU Operator, which brings both of its own.
"""

from typing import Any

from rehearsal.registry import image_of
from rehearsal.rest.volumes import DRIVER
from rehearsal.scenario import Workload

Object = dict[str, Any]

RUN_SECONDS = "rehearsal.gpuops.dev/run-seconds"
BUSY = "rehearsal.gpuops.dev/gpu-busy"
MEMORY_MIB = "rehearsal.gpuops.dev/gpu-memory-mib"
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
PLUGIN_CONFIGS = "nvidia-device-plugin-configs"

IMAGES = {
    "device_plugin": "nvcr.io/nvidia/k8s-device-plugin:v0.20.0",
    "dcgm_exporter": "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-ubuntu22.04",
}


OPERATOR = {
    "device_plugin": "nvidia-device-plugin-daemonset",
    "dcgm_exporter": "nvidia-dcgm-exporter",
}
"""The names of the GPU Operator's own DaemonSets, in whichever namespace it was installed."""


def objects_of(workload: Workload) -> list[Object]:
    """Return every object that the workload consists of, in the order in which it must be created."""
    if workload.preset == "gpu_operator":
        return [_operators(workload, preset, name) for preset, name in OPERATOR.items()]
    made = {"deployment": _deployment, "job": _job, "daemonset": _daemonset}[workload.kind](workload)
    before = [_plugin_configs(workload.namespace)] if workload.preset == "device_plugin" else []
    before += _volume(workload, workload.volume_zone) if workload.volume_zone else []
    before += [] if workload.priority is None else [_priority(workload.name, workload.priority)]
    after = [] if workload.min_available is None else [_budget(workload, workload.min_available)]
    return [*before, made, *after]


def _operators(workload: Workload, preset: str, name: str) -> Object:
    """One DaemonSet as the GPU Operator leaves it: its labels, and no configurations unless a person adds some."""
    labels = {"app.kubernetes.io/managed-by": "gpu-operator", "helm.sh/chart": "gpu-operator-v26.3.0"}
    made = _daemonset(workload.model_copy(update={"name": name, "preset": preset, "labels": labels}))
    made["spec"]["template"]["spec"].pop("volumes", None)
    for container in made["spec"]["template"]["spec"]["containers"]:
        container.pop("volumeMounts", None)
    return made


def _labels(workload: Workload) -> dict[str, str]:
    return {"app": workload.name, **workload.labels}


def _metadata(workload: Workload) -> Object:
    return {"name": workload.name, "namespace": workload.namespace, "labels": _labels(workload)}


def _template(workload: Workload, **spec: Any) -> Object:
    """A pod that does nothing but ask for its GPUs; the simulated kubelets play the rest."""
    container: Object = {"name": "main", "image": image_of(workload)}
    container["resources"] = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    if workload.command:
        container["command"] = list(workload.command)
    if workload.env:
        container["env"] = [{"name": name, "value": value} for name, value in workload.env.items()]
    if workload.gpus:
        container["resources"]["limits"] = {workload.gpu_resource: str(workload.gpus)}
    tolerations = [t.model_dump(exclude_none=True) for t in workload.tolerations]
    pod: Object = {
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "tolerations": tolerations,
        "nodeSelector": workload.node_selector,
        **spec,
    }
    if workload.priority is not None:
        pod["priorityClassName"] = workload.name
    if workload.volume_zone:
        pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": workload.name}}]
    told = {RUN_SECONDS: workload.run_seconds, BUSY: workload.gpu_busy, MEMORY_MIB: workload.gpu_memory_mib}
    annotations = workload.annotations | {key: str(value) for key, value in told.items() if value is not None}
    return {"metadata": {"labels": _labels(workload), "annotations": annotations}, "spec": pod}


def _deployment(workload: Workload) -> Object:
    selector = {"matchLabels": {"app": workload.name}}
    spec = {"replicas": workload.replicas, "selector": selector, "template": _template(workload)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(workload), "spec": spec}


def _job(workload: Workload) -> Object:
    spec = {
        "parallelism": workload.replicas,
        "completions": workload.replicas,
        "backoffLimit": 0,
        "template": _template(workload, restartPolicy="Never"),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(workload), "spec": spec}


def _daemonset(workload: Workload) -> Object:
    template = _template(workload)
    if workload.preset:
        template["spec"] |= _preset_spec(workload)
    spec = {"selector": {"matchLabels": {"app": workload.name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": _metadata(workload), "spec": spec}


def _preset_spec(workload: Workload) -> Object:
    """What an NVIDIA DaemonSet has: GPU nodes only, admitted or not, and its image."""
    preset = workload.preset or ""
    container: Object = {"name": preset.replace("_", "-"), "image": IMAGES[preset]}
    spec: Object = {
        "nodeSelector": {"nvidia.com/gpu": "true"},
        "tolerations": [GPU_TOLERATION, {"operator": "Exists", "effect": "NoSchedule"}],
    }
    if preset == "device_plugin":
        container["volumeMounts"] = [{"name": "available-configs", "mountPath": "/available-configs"}]
        spec["volumes"] = [{"name": "available-configs", "configMap": {"name": PLUGIN_CONFIGS}}]
    else:
        container["ports"] = [{"name": "metrics", "containerPort": 9400}]
    return {**spec, "containers": [container]}


def _plugin_configs(namespace: str) -> Object:
    """One key per rung; exclusive has no sharing block, since NVIDIA's parser rejects replicas of 1."""
    data = {"exclusive": "version: v1\n"}
    metadata = {"name": PLUGIN_CONFIGS, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _volume(workload: Workload, zone: str) -> list[Object]:
    """A volume as a provisioner leaves it, and the claim that it was made for; what is on it is nobody's business."""
    named = {"name": workload.name, "namespace": workload.namespace}
    shared = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    place = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}
    volume = {
        **shared,
        "capacity": {"storage": "1Gi"},
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **named},
        "csi": {"driver": DRIVER, "volumeHandle": f"pv-{workload.name}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}},
    }
    claim = {**shared, "resources": {"requests": {"storage": "1Gi"}}, "volumeName": f"pv-{workload.name}"}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"pv-{workload.name}"}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named, "spec": claim},
    ]


def _priority(name: str, value: int) -> Object:
    """Nobody is preempted for it: scenarios whose nodes are full would tell another story."""
    made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
    return {**made, "value": value, "preemptionPolicy": "Never"}


def _budget(workload: Workload, min_available: int) -> Object:
    selector = {"matchLabels": {"app": workload.name}}
    spec = {"minAvailable": min_available, "selector": selector}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": _metadata(workload), "spec": spec}
