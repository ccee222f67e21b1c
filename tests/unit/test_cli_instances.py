"""`gpuops instances` over moto's EC2: families, sizes, what is asked for, and what cannot be.

Covered: JSON and words, one family, one type, unknown names, offline, an account that refuses.
"""

import json
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from cli import instances
from cli.main import app
from gpuops.adapters import aws
from gpuops.domain.drivers.families import gpu_families
from gpuops.domain.drivers.kinds import GpuType
from gpuops.domain.errors import Refused


@pytest.fixture(scope="module")
def types() -> tuple[GpuType, ...]:
    """What moto's EC2 says in us-east-1, asked once: it takes seconds over its thousand types."""
    keys = {"ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none", "DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in keys.items():
            patch.setenv(f"AWS_{name}", value)
        aws.client.cache_clear()
        found = instances.described()
    aws.client.cache_clear()
    return found


@pytest.fixture(autouse=True)
def ec2(types: tuple[GpuType, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """An account in us-east-1."""
    monkeypatch.setattr(instances, "described", lambda: types)


def run(*arguments: str) -> Result:
    """The command as a shell would start it."""
    return CliRunner().invoke(app, ("instances", *arguments))


def families(*arguments: str) -> list[dict[str, Any]]:
    """What a program reads."""
    found: list[dict[str, Any]] = json.loads(run(*arguments, "--json").stdout.splitlines()[-1])["families"]
    return found


def test_every_family_has_its_use_its_drivers_and_the_sizes_that_ec2_describes() -> None:
    """The numbers are EC2's own."""
    found = {family["family"]: family for family in families()}

    assert list(found) == [family.family for family in gpu_families().families]
    sizes = {size["type"]: size for size in found["g4dn"]["types"]}
    assert sizes["g4dn.12xlarge"] == {
        "type": "g4dn.12xlarge",
        "gpus": 4.0,
        "gpu_memory_mib": 65536,
        "vcpus": 48,
        "memory_mib": 196608,
    }
    assert (found["g4dn"]["module"], found["g7"]["drivers"]) == ("proprietary", "R595 or newer")


def test_a_person_reads_what_a_family_is_for() -> None:
    """And what each size has."""
    told = run("g5").stderr

    assert "g5: A10G, x86_64, compute capability 8.6" in told
    assert "fine-tuning on one node" in told
    assert "drivers: any of EKS's AMIs; kernel module: proprietary" in told
    assert "g5.48xlarge        8 GPU, 183104 MiB; 192 vCPUs" in told


def test_a_type_alone_is_found_with_its_family() -> None:
    """Beside a family that is asked for whole."""
    found = families("p5.48xlarge", "g6f")

    assert [family["family"] for family in found] == ["g6f", "p5"]
    assert [size["type"] for size in found[1]["types"]] == ["p5.48xlarge"]
    assert found[0]["types"][0]["gpus"] < 1


def test_an_unknown_name_is_exit_code_2() -> None:
    """Whatever it is."""
    result = run("m7i.large", "--json")

    assert (result.exit_code, json.loads(result.stdout)["status"]) == (2, "error")


def test_without_ec2_the_families_are_told_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking is an error then, and not a shorter answer."""

    def refused() -> tuple[()]:
        raise Refused("describe instance types: UnauthorizedOperation")

    monkeypatch.setattr(instances, "described", refused)

    assert run("g5").exit_code == 2
    assert [family["types"] for family in families("g5", "--offline")] == [[]]
