"""The command's manners: what goes to standard output, what to standard error, and the exit codes.

Covers: --schema, --what-is-real, a bad file with and without --json, a rehearsal that passes and one that fails,
--seed, benches by name, policy check and upload.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.policy import upload
from rehearsal import report


def run(*arguments: str) -> Result:
    """The command as a shell would start it."""
    return CliRunner().invoke(app, arguments)


def last_object(result: Result) -> Any:
    """What a program reads: the last line of standard output."""
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Stands in for the rehearsal itself, which has tests of its own; it prints, as libraries do."""
    calls: list[dict[str, Any]] = []

    def rehearse(scenario: Any, **options: Any) -> report.Result:
        print("noise of a library")
        calls.append({"scenario": scenario, **options})
        violations = [{"rule": "budget", "what": "web", "at": 1.0}] if scenario.seed == "bad" else []
        return report.Result(
            scenario="s",
            status="failed" if violations else "passed",
            executions=(),
            observed={"violations": violations},
            unmet=(),
            wall_seconds=1.0,
            simulated_seconds=3600.0,
            report="r.html",
        )

    module = ModuleType("rehearsal.run")
    module.rehearse = rehearse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rehearsal.run", module)
    monkeypatch.chdir(tmp_path)
    return calls


def test_schema_is_one_json_object() -> None:
    """An editor's plugin reads it."""
    assert last_object(run("rehearse", "--schema", "--json"))["title"] == "Scenario"
    assert json.loads(run("rehearse", "--schema").stdout)["title"] == "Scenario"


def test_what_is_real_says_both() -> None:
    """The honest list, printed for whoever doubts a pass."""
    said = run("rehearse", "--what-is-real").stdout
    assert "**Real**" in said
    assert "**Simulated**" in said


@pytest.mark.usefixtures("rehearsed")
def test_a_bad_file_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    """Not a traceback; and with --json still one JSON object."""
    (tmp_path / "bad.yaml").write_text("name: x\nclutser: demo\n")
    plain, asked = run("rehearse", "bad.yaml"), run("rehearse", "bad.yaml", "--json")
    assert (plain.exit_code, asked.exit_code) == (2, 2)
    assert "bad.yaml:2: clutser: unknown key" in plain.stderr
    assert plain.stdout == ""
    assert "bad.yaml:2: clutser: unknown key" in last_object(asked)["error"]


def test_a_rehearsal_answers_with_one_object_and_exits_by_it(rehearsed: list[dict[str, Any]]) -> None:
    """Whatever libraries print, standard output holds the result alone."""
    result = run("rehearse", "--json", "--pace", "60")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert json.loads(result.stdout)["status"] == "passed"
    assert "noise of a library" in result.stderr
    assert rehearsed[0]["scenario"].name == "roll"
    assert rehearsed[0]["pace"] == 60
    assert rehearsed[0]["out"].is_dir()


def test_another_seed_and_a_failure(rehearsed: list[dict[str, Any]]) -> None:
    """Exit code 1 is for a rehearsal that ran and did not hold."""
    assert run("rehearse", "roll", "--seed", "bad").exit_code == 1
    assert rehearsed[0]["scenario"].seed == "bad"


def test_an_unknown_bench_names_the_known_ones() -> None:
    """The answer to a typo is the list of what there is."""
    result = run("bench", "coldstrat", "--json")
    assert result.exit_code == 2
    assert "coldstart" in last_object(result)["error"]


def test_the_projects_own_policy_is_valid() -> None:
    """It is the example that operators copy."""
    result = run("policy", "check", str(Path(__file__).parents[2] / "fleet.yaml"), "--json")
    assert result.exit_code == 0
    assert [group["mode"] for group in last_object(result)["groups"]] == ["apply"]


def test_a_broken_policy_is_never_uploaded(tmp_path: Path) -> None:
    """It would put every group on hold; no AWS client is even made, so no credentials are needed here."""
    (tmp_path / "fleet.yaml").write_text("groups:\n  - group: g\n    cluster: c\n    mood: apply\n")
    result = run("policy", "push", str(tmp_path / "fleet.yaml"))
    assert result.exit_code == 2
    assert "line 4" in result.stderr


def test_an_upload_goes_to_the_stacks_own_bucket() -> None:
    """The bucket's name is the stack's business; the version is what runs will record."""
    put: list[dict[str, Any]] = []
    resource = {"StackResourceDetail": {"PhysicalResourceId": "bucket-of-gpuops"}}
    cloudformation = SimpleNamespace(describe_stack_resource=lambda **asked: resource)

    def put_object(**item: Any) -> dict[str, str]:
        put.append(item)
        return {"VersionId": "v7"}

    s3 = SimpleNamespace(put_object=put_object)

    assert upload(b"groups: []", "gpuops", cloudformation, s3) == ("bucket-of-gpuops", "v7")
    assert put == [{"Bucket": "bucket-of-gpuops", "Key": "fleet.yaml", "Body": b"groups: []"}]
