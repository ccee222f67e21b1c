"""A group on T4 boards, and an AMI that is known and fits."""

from gpuops.domain.drivers.kinds import GpuType
from gpuops.domain.drivers.releases import Release
from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.facts import Driver, Facts
from tests.fakes.rotation import POLICY

GROUP = parse_policy(POLICY, "v1").groups[0]
T4 = GpuType("g4dn.xlarge", "T4", 1, 16384, 4, 16384, ("x86_64",))
R580 = Driver("580.159.03", "13.0", source="catalogue")
FACTS = Facts(
    ami="1.36.2-20260714 (ami-1)",
    release=Release("1.36", 20260714),
    kubernetes="1.36",
    driver=R580,
    architecture="x86_64",
    types=(T4,),
)
