"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

Eviction, budgets, taints, scheduling, garbage collection, RBAC and admission policies decide the outcome of a roll,
so none of them is played. What is played is behind two doors: who a token belongs to, and the pod network.
"""

from rehearsal.control_plane.authn import Identity
from rehearsal.control_plane.binaries import find_or_build
from rehearsal.control_plane.guard import Guard
from rehearsal.control_plane.plane import ControlPlane
from rehearsal.control_plane.podnet import PodNetwork, silence
from rehearsal.control_plane.scratch import scratch_directory

__all__ = ["ControlPlane", "Guard", "Identity", "PodNetwork", "find_or_build", "scratch_directory", "silence"]
