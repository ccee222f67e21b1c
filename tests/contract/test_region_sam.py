"""The SAM CLI against the region: it deploys, deploys changed code, and invokes, as it does on AWS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehearsal.deploy import BUCKET

SAM = Path(sys.executable).with_name("sam")
TINY = Path(__file__).parents[1] / "fixtures" / "tiny"
DEPLOY = [
    *("deploy", "--stack-name", "tiny", "--s3-bucket", BUCKET, "--capabilities", "CAPABILITY_IAM"),
    *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--parameter-overrides", "Ticking=DISABLED"),
]
ANN = ["--stack-name", "tiny", "--event", '{"name": "ann"}']
Sam = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the tiny project."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


@pytest.fixture
def sam(world: Any, project: Path, tmp_path: Path) -> Sam:
    """Runs the CLI in the project; time passes meanwhile."""
    world.client("s3").create_bucket(Bucket=BUCKET)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "outside",
        "AWS_SECRET_ACCESS_KEY": "x" * 40,
        "AWS_ENDPOINT_URL": world.region.url,
    }

    def run(*arguments: str) -> str:
        call: dict[str, Any] = {"cwd": project, "env": environment, "capture_output": True, "text": True}
        with world.clock.outside("sam"):
            done = subprocess.run([str(SAM), *arguments], timeout=200, check=False, **call)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    return run


def test_sam_deploys_twice_and_invokes(world: Any, sam: Sam, project: Path) -> None:
    """The outputs come back; the second deploy's code runs, in the machine too; a third finds nothing to do."""
    assert ":stateMachine:tiny-Greet-" in sam(*DEPLOY)
    assert json.loads(sam("remote", "invoke", "GreetPerson", *ANN))["text"] == "HELLO, BLUE ANN"
    handler = project / "functions/greet_person/app.py"
    handler.write_text(handler.read_text().replace("event['name']}", "event['name']}!"))
    assert "UPDATE_COMPLETE" in sam(*DEPLOY)
    assert json.loads(sam("remote", "invoke", "GreetPerson", *ANN))["text"] == "HELLO, BLUE ANN!"
    answer = json.loads(sam("remote", "invoke", "Greet", *ANN))
    assert answer["Payload"]["text"] == "HELLO, BLUE ANN!"
    assert "up to date" in sam(*DEPLOY)
    (execution,) = world.executions(world.physical("Greet"))
    assert execution["status"] == "SUCCEEDED"


def test_sam_says_what_cloudformation_refuses(world: Any, sam: Sam, project: Path) -> None:
    """The reason reaches the person who deploys, and the stack says that it failed."""
    template = project / "template.yaml"
    template.write_text(template.read_text().replace("VisibilityTimeout: 30", "VisibilityTimeoutt: 30"))
    with pytest.raises(AssertionError, match="VisibilityTimeoutt is not supported"):
        sam(*DEPLOY)
    stack = world.client("cloudformation").describe_stacks(StackName="tiny")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_FAILED"
