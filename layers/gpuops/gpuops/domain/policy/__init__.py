"""The operator's policy as a value: one import for whoever reads it, so that its modules may be split at will."""

from gpuops.domain.policy.document import parse_policy
from gpuops.domain.policy.models import Admission, Ami, Drain, GroupPolicy, Pinned, Policy, Recommended, Smoke

__all__ = ["Admission", "Ami", "Drain", "GroupPolicy", "Pinned", "Policy", "Recommended", "Smoke", "parse_policy"]
