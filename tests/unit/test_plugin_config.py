"""What the device plugin makes of a file, and what it would not honour, by line.

The vectors were run through v0.20.0 itself; the further cases through goyaml v2, sigs.k8s.io/yaml and encoding/json
with the plugin's rules for its fields, which agreed with ours on 50,000 random files more.

Covers: every vector and case, the lines of problems, several at once, what nvidia.com/gpu becomes, aliases that blow
up, texts too deep or too long, the command with and without --json.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from gpuops.domain.config.shapes import key_texts
from gpuops.domain.plugin_config.check import Report, check_plugin_config
from gpuops.domain.policy import DevicePlugin, Profile

FIXTURES = Path(__file__).parent.parent / "fixtures"
VECTORS = json.loads((FIXTURES / "device_plugin_config_vectors.json").read_text())
CASES = json.loads((FIXTURES / "device_plugin_config_more.json").read_text())

SHARED = """\
version: v1
sharing:
  timeSlicing:
    resources:
    - name: nvidia.com/gpu
      replicas: 4
"""
SHARES_LESS = {"replicas_float", "unknown_under_sharing", "unknown_in_resource", "name_short_gpu", "dup_resource"} | {
    "devices_subset_ignored", "bad_migStrategy_not_checked_here", "dup_yaml_key",
}  # fmt: skip
"""Vectors that the plugin takes, but not as they are written."""


def names(rows: list[dict[str, Any]]) -> list[str]:
    """What pytest calls the cases."""
    return [row["name"] for row in rows]


def lines(report: Report) -> list[int]:
    """Where the problems are."""
    return [problem.line for problem in report.problems]


@pytest.mark.parametrize("vector", VECTORS, ids=names(VECTORS))
def test_every_vector_of_the_real_plugin_agrees(vector: dict[str, Any]) -> None:
    """Accepted or not, the effective sharing as its parser prints it, the strategy, and whether anything is lost."""
    report = check_plugin_config(vector["yaml"])
    assert report.accepted_by_plugin == (vector["result"] == "accept")
    assert list(report.effective) == vector.get("effective", [])
    if report.accepted_by_plugin:
        assert report.strategy == vector["strategy"]
    if vector.get("failGT1"):
        assert report.fail_requests_greater_than_one
    assert bool(report.problems) == (vector["result"] == "reject" or vector["name"] in SHARES_LESS)


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_every_case_of_its_libraries_agrees(case: dict[str, Any]) -> None:
    """Types, case, tags, number formats, merges, documents: as the Go libraries read them."""
    report = check_plugin_config(case["yaml"])
    assert report.accepted_by_plugin == case["accepted"]
    assert list(report.effective) == case["effective"]
    assert report.strategy == case["strategy"]
    assert report.fail_requests_greater_than_one == case["fail"]
    assert (not report.problems) == case["clean"]


def test_each_problem_has_its_line_and_the_deadly_ones_come_first() -> None:
    """A person mends from the top: what ends the plugin before what it passes over."""
    text = SHARED.replace("4", "1") + "      devices: [0]\n      memoryGiB: 4\nsharing2: 1\n"
    report = check_plugin_config(text)
    assert lines(report) == [6, 7, 8, 9]
    assert "2 or more" in report.problems[0].reason


@pytest.mark.parametrize(
    ("text", "replicas", "resource"),
    [
        ("version: v1\n", 1, "nvidia.com/gpu"),
        (SHARED, 4, "nvidia.com/gpu"),
        (SHARED.replace("timeSlicing:", "timeSlicing:\n    renameByDefault: true"), 4, "nvidia.com/gpu.shared"),
        (SHARED.replace("nvidia.com/gpu", "nvidia.com/mig-1g.10gb"), 1, "nvidia.com/gpu"),
        (SHARED + "    - name: nvidia.com/gpu\n      replicas: 8\n", 8, "nvidia.com/gpu"),
        (SHARED.replace("4", "1"), 0, "nvidia.com/gpu"),
    ],
)
def test_what_a_gpu_becomes(text: str, replicas: int, resource: str) -> None:
    """Shares per GPU and the resource's name; none where the plugin exits."""
    report = check_plugin_config(text)
    assert (report.replicas, report.resource) == (replicas, resource)


def test_every_key_that_the_policy_renders_comes_to_what_it_says() -> None:
    """Our own texts are accepted and nothing in them is ignored."""
    profiles = {"many": Profile(replicas=16, rename_by_default=True, fail_requests_greater_than_one=False)}
    reports = {key: check_plugin_config(text) for key, text in key_texts(DevicePlugin(profiles=profiles)).items()}
    assert {key: report.problems for key, report in reports.items() if report.problems} == {}
    assert {key: report.replicas for key, report in reports.items()} == {
        "exclusive": 1, "r2": 2, "r3": 3, "r4": 4, "r6": 6, "r8": 8, "many": 16,
    }  # fmt: skip
    assert reports["many"].resource == "nvidia.com/gpu.shared"
    assert not reports["many"].fail_requests_greater_than_one
    assert reports["r4"].fail_requests_greater_than_one


def test_aliases_that_blow_up_are_refused_as_the_plugin_does() -> None:
    """Ten lines of aliases would be ten billion nodes."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    report = check_plugin_config("\n".join(rows))
    assert not report.accepted_by_plugin
    assert "excessive aliasing" in report.problems[0].reason


@pytest.mark.parametrize("text", ["[" * 5000, "a: &a {<<: *a}", "x" * 1_100_000, "\n".join("- " * n for n in (1, 400))])
def test_what_no_configuration_ever_is_gets_a_verdict_too(text: str) -> None:
    """Too deep, itself inside itself, too long: a reason, no traceback."""
    assert not check_plugin_config(text).accepted_by_plugin


def test_a_chain_of_merges_ends() -> None:
    """Each merge opens the one before: the stack has a bound."""
    chain = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 500))
    assert not check_plugin_config(chain).accepted_by_plugin


def run(*arguments: str) -> Result:
    """The command as a shell would start it."""
    return CliRunner().invoke(app, ["plugin-config", "check", *arguments])


def test_the_command_exits_by_the_verdict(tmp_path: Path) -> None:
    """0 for what comes to what it says, 1 for anything lost, 2 for a file that cannot be read."""
    file = tmp_path / "r4.yaml"
    file.write_text(SHARED)
    assert run(str(file)).exit_code == 0
    file.write_text(SHARED.replace("timeSlicing:", "timeSlicingProfile:"))
    refused = run(str(file))
    assert refused.exit_code == 1
    assert "r4.yaml:3: 'timeSlicingProfile' in sharing is unknown and ignored" in refused.stderr
    assert refused.stdout == ""
    assert run(str(tmp_path / "none.yaml")).exit_code == 2
    file.write_bytes(b"\xff\xfe\x00")
    assert run(str(file)).exit_code == 2


def test_json_says_what_the_real_parser_would_have_done(tmp_path: Path) -> None:
    """One object, as programs read it."""
    file = tmp_path / "config.yaml"
    file.write_text(SHARED.replace("4", "4.0"))
    result = run(str(file), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "accepted_by_plugin": True,
        "effective": ['nvidia.com/gpu rename="" replicas=4 all=true'],
        "problems": [{"line": 6, "reason": "replicas is written as a fraction; write 4"}],
    }
