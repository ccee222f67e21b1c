"""`gpuops plan slicing`, and the bench of its planner.

Covered: a plan from the exporters' texts and a policy, its hash, a text that is none, a group that is not there, the
reasons of each node, the rungs of a policy's own profile, what a plan would save; `bench plan`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.plan import plan
from cli.main import app
from gpuops.domain.rotation.cost import prices

FLEET = """
defaults: {cluster: demo}
groups:
  - group: inference
    sharing: r2
    rebalance: {history_hours: 0, grow_minutes: 0, crowded_minutes: 0, cool_down_minutes: 0}
  - group: other
"""


def exposition(host: str, used: int = 4000) -> str:
    """One GPU that two pods share, told apart."""
    device = f'gpu="0",UUID="GPU-{host}",modelName="NVIDIA L4",Hostname="{host}"'
    pods = [f'{device},vgpu="{i}",namespace="d",pod="web-7d9f8b6c5-x2x4{i}",pod_uid="{i}"' for i in (0, 1)]
    lines = [
        f"DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{device}}} 0.1",
        f"DCGM_FI_DEV_FB_USED{{{device}}} {2 * used}",
        f"DCGM_FI_DEV_FB_FREE{{{device}}} {24_000 - 2 * used}",
        *(f"DCGM_FI_DEV_FB_USED{{{pod}}} {used}" for pod in pods),
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two nodes at two looks, and a policy."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    names = [f"{host}-{look}.prom" for look in (0, 1) for host in ("a", "b")]
    for name in names:
        (tmp_path / name).write_text(exposition(name[0]))
    return ["--policy", str(tmp_path / "fleet.yaml"), "--dcgm", *(str(tmp_path / name) for name in names)]


def decided(*given: str) -> dict[str, Any]:
    """What the command printed."""
    result = CliRunner().invoke(app, ["plan", "slicing", *given, "--json"])
    assert result.exit_code == 0, result.output
    printed: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return printed


def test_texts_and_a_policy_make_a_plan(files: list[str]) -> None:
    """Each rung and each node has its reason; the same files make the same plan."""
    printed = decided(*files)
    assert (printed["pool"], printed["now"]) == ("inference", 2)
    assert set(printed["fits"]) == {"1", "2", "3", "4", "6", "8"}
    assert [node["node"] for node in printed["nodes"]] == ["a", "b"]
    assert all(node["reason"] for node in printed["nodes"])
    assert printed["replicas"] == 2 or printed["status"] == "grow"


def test_a_group_without_rebalance_is_planned_by_the_defaults(files: list[str]) -> None:
    """A day of history is what they want, so nothing grows."""
    printed = decided(*files, "--group", "other")
    assert printed["status"] in {"keep", "hold"}
    assert printed["replicas"] == 1


def test_a_plan_says_what_it_would_save(tmp_path: Path) -> None:
    """Six pods hold three GPUs at two shares, and two at three: one GPU-hour an hour, at the price of its instance."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    for host in "abc":
        (tmp_path / f"{host}.prom").write_text(exposition(host))
    given = ["--policy", str(tmp_path / "fleet.yaml"), "--dcgm", *(str(tmp_path / f"{h}.prom") for h in "abc")]
    grown = decided(*given, "--pending", "1", "--instance-type", "g6.xlarge")
    assert (grown["now"], grown["replicas"]) == (2, 3)
    assert (grown["saved"]["gpus"], grown["saved"]["gpu_hours"]) == (1, 1.0)
    assert grown["saved"]["dollars"] == pytest.approx(prices().hourly("g6.xlarge"), abs=0.01)
    assert decided(*given, "--pending", "1")["saved"]["dollars"] is None
    assert decided(*given, "--group", "other")["saved"]["gpus"] == 0


@pytest.mark.parametrize("given", [["--group", "nobody"], ["--dcgm", "/nonexistent"]])
def test_what_cannot_be_planned_is_said(files: list[str], given: list[str]) -> None:
    """Exit code 2, and one JSON object."""
    result = CliRunner().invoke(app, ["plan", "slicing", *files, *given, "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout.splitlines()[-1])["status"] == "error"


def test_a_plan_of_several_sizes_is_timed() -> None:
    """And is the same plan each time."""
    first, second = plan("8,40"), plan("8,40")
    assert [size["gpus"] for size in first["sizes"]] == [8, 40]
    assert [size["hash"] for size in first["sizes"]] == [size["hash"] for size in second["sizes"]]
