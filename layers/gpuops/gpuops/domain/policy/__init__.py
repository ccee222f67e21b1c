"""The operator's policy as a value: one import for whoever reads it, so that its modules may be split at will."""

from gpuops.domain.policy.canary import Canary, RollBack
from gpuops.domain.policy.cluster import ClusterPolicy, DcgmExporter, DevicePlugin, Profile
from gpuops.domain.policy.cuda import Cuda
from gpuops.domain.policy.document import parse_policy
from gpuops.domain.policy.drain import Drain
from gpuops.domain.policy.fleet import Budget, Policy
from gpuops.domain.policy.group import Admission, Ami, Approval, GroupPolicy, ImagePipeline, Pinned, Recommended
from gpuops.domain.policy.parts import EXCLUSIVE, RUNGS, ConfigKey, Image
from gpuops.domain.policy.remediation import Remediation
from gpuops.domain.policy.smoke import Smoke
from gpuops.domain.policy.strategy import Floor
from gpuops.domain.policy.window import Window

__all__ = [
    "EXCLUSIVE",
    "RUNGS",
    "Admission",
    "Ami",
    "Approval",
    "Budget",
    "Canary",
    "ClusterPolicy",
    "ConfigKey",
    "Cuda",
    "DcgmExporter",
    "DevicePlugin",
    "Drain",
    "Floor",
    "GroupPolicy",
    "Image",
    "ImagePipeline",
    "Pinned",
    "Policy",
    "Profile",
    "Recommended",
    "Remediation",
    "RollBack",
    "Smoke",
    "Window",
    "parse_policy",
]
