"""`make local`: the real template through `sam` on a region with a cluster behind it, as the README tells it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PROJECT = ["template.yaml", "samconfig.toml", "fleet.yaml", "functions", "layers", "statemachines", "events"]
UP_SECONDS = 120
PACE = 60
"""Less than a person has: schedules tick while `sam` builds, each minute of them for nothing."""
Run = Callable[..., str]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What `make local` tells a person to set; it is up meanwhile, and gone without a trace afterwards."""
    port, log = free_port(), tmp_path / "local.log"
    command = [sys.executable, "-m", "rehearsal.local", str(ROOT / "tests/fixtures/local.yaml")]
    command += ["--port", str(port), "--pace", str(PACE), "--out", str(tmp_path / "out")]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + UP_SECONDS
        while "Ctrl-C" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "outside",
            "AWS_SECRET_ACCESS_KEY": "outside",
            "SAM_CLI_TELEMETRY": "0",
            "TARGET": "host",
            "PYTHON": sys.executable,
        }
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what deploys, for a change of code."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in PROJECT:
        source = ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder)
    return folder


@pytest.fixture
def run(environment: dict[str, str], project: Path) -> Run:
    """Runs a command of the virtual environment in the project; it has to succeed."""

    def call(command: str, *arguments: str) -> str:
        whole: list[str] = [str(BIN / command), *arguments]
        options: dict[str, Any] = {"cwd": project, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run(whole, timeout=240, check=False, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    return call


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_sam_deploys_twice_and_a_rotation_runs_from_its_event(
    run: Run, project: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Build, deploy, change a function, deploy again, invoke: the one node rolls, decided by the changed code."""
    run("sam", "build", "--cached")
    assert "RotateAmiMachineArn" in run("sam", "deploy", "--config-env", "local")
    run("gpuops", "policy", "push", "fleet.yaml", "--stack", "gpuops")
    handler = project / "functions/plan_rotation/app.py"
    handler.write_text(handler.read_text() + '\nprint("this is the second deploy")\n')
    run("sam", "build", "--cached")  # the layer, which is most of it, has not changed
    run("sam", "deploy", "--config-env", "local")
    event = ["--stack-name", "gpuops", "--event-file", "events/rotate_ami.json"]
    answer = json.loads(run("sam", "remote", "invoke", "RotateAmi", *event))
    assert (answer["status"], answer["report"]["status"]) == ("roll", "written")
    (log,) = (tmp_path / "out" / "logs").glob("gpuops-PlanRotation*.log")
    assert "this is the second deploy" in log.read_text()
    session = boto3.session.Session("outside", "outside", region_name="us-east-1")
    autoscaling = session.client("autoscaling", endpoint_url=environment["AWS_ENDPOINT_URL"])
    groups = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    (instance,) = groups[0]["Instances"]
    assert instance["LaunchTemplate"]["Version"] == "2"
