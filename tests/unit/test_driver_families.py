"""Which boards take which drivers.

Covered: every family of moto's table of EC2's types, drivers that a family needs or refuses, the words for both, tables
that contradict themselves.
"""

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from gpuops.domain.drivers.catalogue import driver_catalogue
from gpuops.domain.drivers.families import gpu_families, parse_families
from gpuops.domain.errors import Invalid

TABLE = gpu_families()
ROW = '{family: g9, gpu: X, cpu: arm64, compute: "1.0", brands: [nvidia], module: open, source: [s], use: u}'


def test_every_nvidia_family_of_ec2_is_in_the_table_as_ec2_describes_it() -> None:
    """Name of the GPU and architecture; moto carries EC2's own answers."""
    for name, described in INSTANCE_TYPES.items():
        gpus = [gpu for gpu in described.get("GpuInfo", {}).get("Gpus", ()) if gpu["Manufacturer"].upper() == "NVIDIA"]
        if not gpus:
            continue
        family = TABLE.of(name)
        assert family is not None, name
        assert family.gpu.split()[0] == gpus[0]["Name"].split()[0], name
        assert [family.cpu] == described["ProcessorInfo"]["SupportedArchitectures"], name


@pytest.mark.parametrize(
    ("kind", "driver", "refusal"),
    [
        ("g4dn.xlarge", "580.159.03", None),
        ("g4dn.xlarge", "595.45.04", None),
        ("g7.12xlarge", "580.159.03", "g7 (RTX PRO 4500) needs driver R595 or newer"),
        ("g7.12xlarge", "595.45.04", None),
        ("p3.2xlarge", "595.45.04", "p3 (V100) needs a driver older than R590"),
        ("p3dn.24xlarge", "580.159.03", None),
        ("g6f.xlarge", "595.45.04", "g6f (L4) needs a driver older than R595"),
        ("p6-b200.48xlarge", "560.35.05", "p6-b200 (B200) needs driver R570 or newer"),
        ("p6-b300.48xlarge", "575.57.08", "p6-b300 (B300) needs driver R580 or newer"),
    ],
)
def test_a_family_refuses_drivers_that_do_not_run_on_its_boards(kind: str, driver: str, refusal: str | None) -> None:
    """Named with what it needs instead."""
    family = TABLE.of(kind)

    assert family is not None
    assert family.refusal(driver) == refusal


def test_no_driver_serves_both_g7_and_p3() -> None:
    """Whatever EKS has put into its AMIs: such a group can never be right."""
    g7, p3 = TABLE.of("g7.xlarge"), TABLE.of("p3.2xlarge")
    assert g7 is not None
    assert p3 is not None

    for driver in {span.driver for span in driver_catalogue().al2023} | {"590.1", "595.1", "610.1"}:
        assert g7.refusal(driver) or p3.refusal(driver)


def test_the_drivers_of_a_family_in_words() -> None:
    """For people who choose."""
    words = {name: family.drivers for name in ("g5", "g7", "p3") if (family := TABLE.of(f"{name}.xlarge"))}

    assert words == {"g5": "any of EKS's AMIs", "g7": "R595 or newer", "p3": "older than R590"}
    assert TABLE.of("m7i.large") is None


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([ROW, ROW], "listed twice: \\['g9'\\]"),
        ([ROW.replace("[s]", "[elsewhere]")], "no such source"),
        ([ROW.replace("[s]", "[]")], "source"),
        ([ROW.replace("open", "closed")], "module"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(rows: list[str], complaint: str) -> None:
    """Twice the same, unsourced, or a word that nobody knows."""
    with pytest.raises(Invalid, match=complaint):
        parse_families("sources: {s: x}\nfamilies:\n" + "".join(f"  - {row}\n" for row in rows))
