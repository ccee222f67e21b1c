"""The command lines and configuration files of the four components.

Every flag that differs from a production cluster is here, each with its reason: a short list is what makes the rest
of the cluster's behaviour the real one.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Argv = list[str | Path | int]

SERVICE_RANGE = "10.96.0.0/16"
SERVER_NAMES = ("127.0.0.1", "localhost", "10.96.0.1", "kubernetes.default.svc")

ENVIRONMENT = {"GODEBUG": "randautoseed=0", "GOGC": "400"}
"""Go's random numbers repeat, and with them the scheduler's choice among equal nodes and generated names.

Garbage is collected when there is four times as much of it as usual: apiserver takes 90 MB more (365) and, measured, a
fifth less CPU to start and a tenth less for each request.
"""


@dataclass(frozen=True)
class Files:
    """Where one run keeps what its components read."""

    directory: Path
    binaries: Path
    certificate: Path
    key: Path
    ca: Path
    account_key: Path
    kubeconfig: Path
    tokens: Path

    def write(self, name: str, content: dict[str, Any]) -> Path:
        """A configuration file; JSON is YAML too."""
        path = self.directory / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


def environment() -> dict[str, str]:
    """No proxy settings or credentials of the person at the keyboard reach a component."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", **ENVIRONMENT}


def kubeconfig(server: str, *, ca: Path | None = None, token: str | None = None) -> dict[str, Any]:
    """How a client finds a server: kube-controller-manager its apiserver, apiserver its token webhook."""
    cluster = {"server": server} | ({"certificate-authority": str(ca)} if ca else {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "rehearsal",
        "contexts": [{"name": "rehearsal", "context": {"cluster": "rehearsal", "user": "rehearsal"}}],
        "clusters": [{"name": "rehearsal", "cluster": cluster}],
        "users": [{"name": "rehearsal", "user": {"token": token} if token else {}}],
    }


def etcd(files: Files, client_port: int, peer_port: int) -> Argv:
    """One member, without fsync: the data lives as long as the rehearsal."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        files.binaries / "etcd",
        f"--data-dir={files.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(files: Files, port: int, etcd_port: int, webhook: str, podnet: Path) -> Argv:
    """RBAC as in EKS; tokens go to our webhook, connections into the cluster to our pod network."""
    webhook_config = files.write("webhook.json", kubeconfig(webhook))
    return [
        files.binaries / "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={files.certificate}",
        f"--tls-private-key-file={files.key}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--service-account-key-file={files.account_key}",
        f"--service-account-signing-key-file={files.account_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        f"--token-auth-file={files.tokens}",
        f"--authentication-token-webhook-config-file={webhook_config}",
        "--authentication-token-webhook-version=v1",
        "--authentication-token-webhook-cache-ttl=0s",  # two real minutes may be days here; apiserver keeps 10 s itself
        f"--egress-selector-config-file={files.write('egress.json', egress(podnet))}",
        "--kubelet-preferred-address-types=InternalIP",
        "--endpoint-reconciler-type=none",  # the Service `kubernetes` may not point at loopback, and nobody asks it
        "--profiling=false",
    ]


def egress(podnet: Path) -> dict[str, Any]:
    """Connections into the cluster leave through the pod network's socket; webhooks and etcd stay as they are."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(podnet)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def controller_manager(files: Files) -> Argv:
    """Node health is played by the simulated kubelets, so its real-time grace is set beyond any rehearsal."""
    return [
        files.binaries / "kube-controller-manager",
        f"--kubeconfig={files.kubeconfig}",
        f"--service-account-private-key-file={files.account_key}",
        f"--root-ca-file={files.ca}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        "--profiling=false",
        "--controllers=*,-pod-garbage-collector-controller",  # it waits 40 real seconds; a timer of the clock plays it
        "--node-monitor-grace-period=8760h",  # leases are renewed in simulated time
        "--node-startup-grace-period=8760h",
        "--node-monitor-period=500ms",  # default 5 s: how late a condition becomes a NoExecute taint
        "--node-eviction-rate=1000",  # default one node in 10 real seconds
        "--secondary-node-eviction-rate=1000",
        "--pvclaimbinder-sync-period=1s",  # default 15 s
    ]


def scheduler(files: Files) -> Argv:
    """One worker: among 16, a race breaks the tie between equal nodes."""
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "parallelism": 1,
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 1,  # default 10: a pod that has become schedulable waits in real time
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(files.kubeconfig), "qps": 1000, "burst": 2000},
    }
    path = files.write("scheduler.json", config)
    return [files.binaries / "kube-scheduler", f"--config={path}", "--secure-port=0"]
