"""Lambdas: real handlers in real processes, with Lambda's answers, errors, isolation, layers and redeployments.

Covered too: that a process forked off one with libraries is what a fresh one would be.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rehearsal.clock import Clock
from rehearsal.lambdas import FunctionSpec, Lambdas
from rehearsal.lambdas.forks import LAUNCH, LIBRARIES, modules_ahead
from rehearsal.lambdas.sandbox import base_environment, environment, link_runtime
from rehearsal.lambdas.warm import Warm
from rehearsal.layer import built_layer
from rehearsal.wire import Fault

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ROLE = "arn:aws:iam::123456789012:role/tiny"

APP = """
import json, os, sys, threading, time
STARTED = time.monotonic()
def opened():
    return [os.path.realpath("/proc/self/fd/" + number) for number in os.listdir("/proc/self/fd")]
def handler(event, context):
    do = event.get("do")
    if do == "env": return dict(os.environ)
    if do == "raise": raise ValueError("no such node")
    if do == "exit": os._exit(3)
    if do == "sleep": time.sleep(30)
    if do == "import": return __import__(event["name"]).__name__
    if do == "x": return __import__(event["name"]).x
    if do == "process": return [os.getppid(), threading.active_count(), opened(), sys.path]
    if do == "loaded": return event["name"] in sys.modules
    if do == "context": return {"arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis()}
    print("saw", json.dumps(event))
    return {"pid": os.getpid(), "echo": event}
"""


class FakeWire:
    """Issues one key pair per role, and remembers for whom."""

    aws_url = "http://127.0.0.1:9"

    def __init__(self) -> None:
        self.issued: list[tuple[str, str]] = []

    def credentials(self, role_arn: str, caller: str) -> Any:
        """A made-up pair."""
        self.issued.append((role_arn, caller))
        return SimpleNamespace(access_key="AKIAREHEARSAL", secret_key="x" * 40)


def archive(**files: str) -> bytes:
    """A zip of these files; `__` in a name stands for a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, text in files.items():
            opened.writestr(name.replace("__", "/") + ".py", text)
    return buffer.getvalue()


def spec(name: str = "tiny", *, code: str = APP, timeout: float = 10, **more: Any) -> FunctionSpec:
    """A function of one module."""
    return FunctionSpec(
        name=name, code=archive(app=code), handler="app.handler", role_arn=ROLE, timeout_seconds=timeout, **more
    )


@pytest.fixture
def wire() -> FakeWire:
    """The endpoint the functions are given."""
    return FakeWire()


@pytest.fixture
def lambdas(tmp_path: Path, wire: FakeWire) -> Iterator[Lambdas]:
    """Closed at the end, whatever happened."""
    made = Lambdas(Clock(1_800_000_000), lambda: wire, tmp_path / "logs")
    yield made
    made.close()


def ask(lambdas: Lambdas, **event: Any) -> tuple[Any, str | None]:
    """The answer, parsed."""
    body, error = lambdas.invoke("tiny", json.dumps(event).encode())
    return json.loads(body), error


def test_a_handler_answers_and_stays_warm(lambdas: Lambdas) -> None:
    """Two invocations meet the same process."""
    lambdas.deploy(spec())
    first, second = ask(lambdas, n=1), ask(lambdas, n=2)
    assert first[1] is None
    assert first[0]["echo"] == {"n": 1}
    assert first[0]["pid"] == second[0]["pid"] != os.getpid()


def test_cold_each_invocation_has_an_interpreter_of_its_own(lambdas: Lambdas) -> None:
    """What a bench times: neither a warm process nor one whose libraries were imported ahead."""
    lambdas.cold = True
    lambdas.deploy(spec())
    told = [ask(lambdas, do="process")[0] for _ in range(3)]
    loaded = ask(lambdas, do="loaded", name="yaml")[0]

    assert len({parent for parent, *_ in told}) == 3
    assert loaded is False


def test_it_starts_only_when_first_invoked(lambdas: Lambdas, wire: FakeWire) -> None:
    """Fifteen functions are not fifteen processes before anybody calls them."""
    lambdas.deploy(spec())
    assert wire.issued == []
    ask(lambdas)
    assert wire.issued == [(ROLE, "tiny")]


def test_an_exception_keeps_its_class_name(lambdas: Lambdas) -> None:
    """Step Functions matches `errorType`."""
    lambdas.deploy(spec())
    body, error = ask(lambdas, do="raise")
    assert error == "Unhandled"
    assert (body["errorType"], body["errorMessage"]) == ("ValueError", "no such node")
    assert ask(lambdas)[1] is None


def test_a_timeout_kills_the_process_and_the_next_invocation_is_cold(lambdas: Lambdas) -> None:
    """With the text that Lambda gives."""
    lambdas.deploy(spec(timeout=0.5))
    before = ask(lambdas)[0]["pid"]
    body, error = ask(lambdas, do="sleep")
    assert (body["errorType"], error) == ("Sandbox.Timedout", "Unhandled")
    assert body["errorMessage"].endswith("Error: Task timed out after 0.50 seconds")
    assert not Path(f"/proc/{before}").exists()
    assert ask(lambdas)[0]["pid"] != before


def test_a_crash_is_an_exit_error(lambdas: Lambdas) -> None:
    """And does not wait for the timeout."""
    lambdas.deploy(spec(timeout=60))
    body, error = ask(lambdas, do="exit")
    assert (body["errorType"], error) == ("Runtime.ExitError", "Unhandled")
    assert body["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert ask(lambdas)[1] is None


@pytest.mark.parametrize(("how", "kind"), [("killed", "Runtime.ExitError"), ("timed_out", "Sandbox.Timedout")])
def test_an_interrupted_invocation_ends_as_lambda_would_put_it(lambdas: Lambdas, how: str, kind: str) -> None:
    """Long before its real time is up; the next invocation is cold."""
    lambdas.deploy(spec(timeout=60))
    before = ask(lambdas)[0]["pid"]
    threading.Timer(0.3, lambdas.interrupt, ("tiny", how)).start()
    body, error = ask(lambdas, do="sleep")

    assert (body["errorType"], error) == (kind, "Unhandled")
    assert ask(lambdas)[0]["pid"] != before


def test_an_event_that_is_run_twice_is_answered_by_the_second(lambdas: Lambdas, tmp_path: Path) -> None:
    """The nth invocation, and no other."""
    lambdas.faults.append(Fault("twice", caller="tiny", service="lambda", action="Invoke", nth=2))
    lambdas.deploy(spec())

    assert [ask(lambdas, n=n)[0]["echo"]["n"] for n in (1, 2, 3)] == [1, 2, 3]
    assert (tmp_path / "logs" / "tiny.log").read_text().count('saw {"n": 2}') == 2


def test_a_warm_process_is_left_to_a_function_just_like_it(tmp_path: Path, wire: FakeWire) -> None:
    """With its log from then on; other code starts cold."""
    warm, pids, same = Warm(tmp_path / "kept"), [], spec()
    for number, deployed in enumerate((same, same, spec(code=f"{APP}\n"))):
        made = Lambdas(Clock(1_800_000_000), lambda: wire, tmp_path / f"logs{number}", folder=warm.folder, warm=warm)
        made.deploy(deployed)
        pids.append(ask(made, n=number)[0]["pid"])
        made.close()
    warm.close()

    assert pids[0] == pids[1] != pids[2]
    logs = [(tmp_path / f"logs{number}" / "tiny.log").read_text() for number in range(3)]
    assert [number for number, log in enumerate(logs) if f'saw {{"n": {number}}}' in log] == [0, 1, 2]
    assert 'saw {"n": 0}' not in logs[1]


def test_a_module_that_cannot_be_imported_says_so(lambdas: Lambdas) -> None:
    """The runtime client's own init error comes back, not a timeout."""
    lambdas.deploy(spec(code="import missing_library"))
    body, error = ask(lambdas)
    assert (body["errorType"], error) == ("Runtime.ImportModuleError", "Unhandled")
    assert "missing_library" in body["errorMessage"]


def test_nothing_of_the_host_reaches_it(lambdas: Lambdas, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables nor credentials nor packages."""
    monkeypatch.setenv("HOST_SECRET", "x")
    monkeypatch.setenv("AWS_PROFILE", "production")
    lambdas.deploy(spec(environment={"TABLE_NAME": "state"}))
    seen = ask(lambdas, do="env")[0]
    assert not {"HOST_SECRET", "AWS_PROFILE", "VIRTUAL_ENV"} & set(seen)
    assert (seen["TABLE_NAME"], seen["AWS_ACCESS_KEY_ID"]) == ("state", "AKIAREHEARSAL")
    assert (seen["AWS_ENDPOINT_URL"], seen["AWS_REGION"]) == (FakeWire.aws_url, "us-east-1")
    for name in ("pytest", "moto", "rehearsal"):
        assert ask(lambdas, do="import", name=name)[0]["errorType"] == "ModuleNotFoundError"


def test_layers_are_importable(lambdas: Lambdas) -> None:
    """From `python/` inside the layer's archive, and the function's own code first."""
    lambdas.deploy(spec(layers=(archive(python__shared="x = 1"),)))
    assert ask(lambdas, do="import", name="shared")[0] == "shared"


def test_the_context_tells_the_arn_and_the_real_time_left(lambdas: Lambdas) -> None:
    """The deadline starts when the event is handed over."""
    lambdas.deploy(spec(timeout=10))
    context = ask(lambdas, do="context")[0]
    assert context["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:tiny"
    assert 8_000 < context["left"] <= 10_000


def test_newly_deployed_code_runs(lambdas: Lambdas) -> None:
    """The old process is gone with its code."""
    lambdas.deploy(spec())
    pid = ask(lambdas)[0]["pid"]
    lambdas.deploy(spec(code="def handler(event, context): return 'new'"))
    assert ask(lambdas)[0] == "new"
    assert not Path(f"/proc/{pid}").exists()


def test_each_function_has_its_log(lambdas: Lambdas, tmp_path: Path) -> None:
    """What a handler prints is kept for the operator."""
    lambdas.deploy(spec())
    ask(lambdas, hello="there")
    assert 'saw {"hello": "there"}' in (tmp_path / "logs" / "tiny.log").read_text()


def test_an_unknown_function_is_named(lambdas: Lambdas) -> None:
    """With what there is."""
    lambdas.deploy(spec())
    with pytest.raises(LookupError, match=r"no function other: deployed are tiny"):
        lambdas.invoke("arn:aws:lambda:us-east-1:123456789012:function:other", b"{}")


def test_a_new_layer_replaces_the_old_one(lambdas: Lambdas) -> None:
    """Whoever had imported the old one's libraries is gone."""
    lambdas.deploy(spec(layers=(archive(python__yaml="x = 'old'"),)))
    assert ask(lambdas, do="x", name="yaml")[0] == "old"
    old = ask(lambdas, do="process")[0][0]
    lambdas.deploy(spec(layers=(archive(python__yaml="x = 'new'"),)))
    assert ask(lambdas, do="x", name="yaml")[0] == "new"
    assert not Path(f"/proc/{old}").exists()


def test_a_module_of_the_functions_own_comes_before_the_layers(lambdas: Lambdas) -> None:
    """Also one that would have been imported ahead."""
    code = archive(app=APP, yaml="x = 'own'")
    lambdas.deploy(replace(spec(layers=(archive(python__yaml="x = 'layer'"),)), code=code))
    assert ask(lambdas, do="x", name="yaml")[0] == "own"


def test_a_forked_process_begins_as_a_fresh_one(lambdas: Lambdas) -> None:
    """One thread, its own code's path first, and neither pipes of the one that forked it nor its other processes."""
    for name in ("other", "tiny"):
        lambdas.deploy(spec(name))
        lambdas.invoke(name, b"{}")
    _, threads, opened, path = ask(lambdas, do="process")[0]
    assert threads == 1
    assert [name for name in opened if "pipe:" in name or "pidfd" in name] == []
    assert path[0] == ask(lambdas, do="env")[0]["LAMBDA_TASK_ROOT"]


def test_functions_of_one_layer_share_no_process(lambdas: Lambdas) -> None:
    """Each has its own, with its own variables."""
    for name in ("tiny", "other"):
        lambdas.deploy(spec(name, environment={"WHO": name}))
    seen = [json.loads(lambdas.invoke(name, b'{"do": "env"}')[0])["WHO"] for name in ("tiny", "other")]
    pids = {json.loads(lambdas.invoke(name, b"{}")[0])["pid"] for name in ("tiny", "other")}
    assert (seen, len(pids)) == (["tiny", "other"], 2)


def test_a_lost_fork_server_is_started_again(lambdas: Lambdas) -> None:
    """Its processes end with it, and the next invocation is a cold one."""
    lambdas.deploy(spec())
    before = ask(lambdas)[0]["pid"]
    process = lambdas._functions["tiny"].process
    assert process is not None
    os.kill(ask(lambdas, do="process")[0][0], signal.SIGKILL)
    process.process.wait()
    assert ask(lambdas)[0]["pid"] != before


def variables_in(node: Any) -> Iterator[str]:
    """Names of all environment variables that a template sets."""
    for key, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from below if key == "Variables" else variables_in(below)


READS = """
import importlib, json, os, sys
read, kept = [], type(os.environ).__getitem__
def get(environ, name):
    read.append(name)
    return kept(environ, name)
type(os.environ).__getitem__ = get
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(read))
"""


def test_what_is_imported_ahead_reads_nothing_that_differs_between_functions(tmp_path: Path, wire: FakeWire) -> None:
    """Otherwise all functions would run with what the first of them was told."""
    base = base_environment(tmp_path)
    paths = [built_layer() / "python", link_runtime(tmp_path)]
    ours = modules_ahead(paths)
    command = [sys.executable, "-P", "-S", "-c", READS, *LIBRARIES, *ours]
    variables = base | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(command, env=variables, capture_output=True, check=True)
    template = yaml.load(TEMPLATE.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    given = {*variables_in(template), *environment(spec(), paths, wire, "")}

    assert "TABLE_NAME" in given
    assert {"gpuops.domain.errors", "gpuops.domain.policy", "gpuops.adapters.store"} <= set(ours)
    assert set(json.loads(done.stdout)) & (given - base.keys()) == set()


PARSED = """
import importlib, os, runpy, sys
launch = runpy.run_path(sys.argv[1])
launch["read_once"]()
loaders = importlib.import_module("botocore.loaders")
def parse(_, path, *how):
    if os.path.isfile(path):
        sys.exit(f"{path} was parsed again")
loaders.JSONFileLoader._load_file = parse
session = importlib.import_module("botocore.session").get_session()
for service in ("dynamodb", "ec2", "autoscaling"):
    session.create_client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
"""


def test_what_botocore_reads_of_the_layer_is_parsed_once_for_all_functions(tmp_path: Path) -> None:
    """A function's cold start reads none of it again."""
    paths = [built_layer() / "python", link_runtime(tmp_path)]
    variables = base_environment(tmp_path) | {"PYTHONPATH": os.pathsep.join(map(str, paths))}

    command = [sys.executable, "-P", "-S", "-c", PARSED, str(LAUNCH)]
    done = subprocess.run(command, env=variables, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()


def test_closing_leaves_no_function_and_no_folder(lambdas: Lambdas, tmp_path: Path, wire: FakeWire) -> None:
    """What has imported the layer is there for the next rehearsal of this process."""
    lambdas.deploy(spec())
    seen = ask(lambdas, do="env")[0]
    pid = ask(lambdas)[0]["pid"]
    server = ask(lambdas, do="process")[0][0]
    lambdas.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(seen["LAMBDA_TASK_ROOT"]).exists()

    after = Lambdas(Clock(1_800_000_000), lambda: wire, tmp_path / "logs")
    after.deploy(spec())
    assert ask(after, do="process")[0][0] == server
    after.close()


ENDS = """
import os, sys
from pathlib import Path
from rehearsal.lambdas.shelf import shelf
forks = shelf().forks((), Path(sys.argv[1]), [])
print(shelf().folder, forks._server.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_is_shared_ends_with_its_process(tmp_path: Path) -> None:
    """However that ends: the server with it, the folder a moment later."""
    done = subprocess.run([sys.executable, "-c", ENDS, str(tmp_path)], capture_output=True, text=True, check=False)
    folder, server = done.stdout.split()
    gone = [Path(folder), Path("/proc", server)]
    until = time.monotonic() + 20
    while any(path.exists() for path in gone) and time.monotonic() < until:
        time.sleep(0.05)
    assert (done.returncode, [path for path in gone if path.exists()]) == (-signal.SIGKILL, [])
