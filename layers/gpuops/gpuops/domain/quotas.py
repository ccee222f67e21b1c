"""Which of EC2's quotas GPU instances count against: vCPUs of a family's letters, for all groups of the account."""

import re

QUOTAS = {"g": "L-DB2E81BA", "vt": "L-DB2E81BA", "p": "L-417A185B"}
"""Service Quotas: "Running On-Demand G and VT instances", "Running On-Demand P instances"."""


def quota_code(instance_type: str) -> str | None:
    """Return the quota that On-Demand instances of the type count against; None for a family without GPUs."""
    letters = re.match("[a-z]*", instance_type)
    return QUOTAS.get(letters[0]) if letters else None
