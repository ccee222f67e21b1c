"""The layer as it deploys: every handler runs on it alone, it is small, and nothing in it is checked at a cold start.

An import that works only beside the development packages, or a client whose model was trimmed away, would otherwise
be found by the first invocation on AWS.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest

import trim
from bench.coldstart import LAYER_LIMIT_MB, PROBE
from rehearsal.layer import KEPT, _forget_oldest, built_layer

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent for path in (ROOT / "functions").glob("*/app.py"))
CHECKED_NEVER = 0b01
"""Flags of a .pyc (PEP 552): made from a hash of its source, which is not looked at again."""
CLIENTS = """
import sys
from gpuops.adapters.aws import client
for name in sys.argv[1:]:
    client(name).meta.service_model.client_context_parameters  # read at the first call, to find its endpoint
"""
REGIONS = """
import json, sys
from gpuops.adapters.aws import session
all = session()
at = [(s, p) for s in sys.argv[1:] for p in all.get_available_partitions()]
print(json.dumps([[s, p, all.get_available_regions(s, p, allow_non_regional=True)] for s, p in at]))
"""
PROBES = f"""
import os, sys
import gpuops.entry
for folder in sys.argv[1:]:
    told, tell = os.pipe()
    if not os.fork():
        os.dup2(tell, 1), os.dup2(tell, 2)
        sys.path.insert(0, folder)
        exec({PROBE!r})
        sys.stdout.flush()
        os._exit(0)
    os.close(tell)
    print(repr((folder, os.fdopen(told).read(), os.wait()[1])), flush=True)
"""
"""The bench's own probe in a process for each function: a copy of one that has only what they all begin with."""
ADAPTERS = sorted((ROOT / "layers/gpuops/gpuops/adapters").glob("*.py"))
EC2_CALL = re.compile(r"_ec2\.(?:get_paginator\(\")?(?!get_paginator|meta)(\w+)")
OPERATIONS = """
import json
from gpuops.adapters.aws import client
model = client("ec2").meta.service_model
known, left = set(), [model.operation_model(name) for name in model.operation_names]
left = [shape for one in left for shape in (one.input_shape, one.output_shape) if shape]
while left:
    shape = left.pop()
    if shape.name in known:
        continue
    known.add(shape.name)
    members = getattr(shape, "members", {}).values()
    left += [*members, *([shape.member] if shape.type_name == "list" else [])]
print(json.dumps(model.operation_names))  # every shape that they lead to was found, or the walk would have failed
"""
SIGNED = """
from gpuops.adapters.aws import session
from gpuops.adapters.token import mint_token
print(mint_token(session(), "demo", "us-east-1"))
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """The layer's python folder; built at most once per content, which takes a minute."""
    return built_layer() / "python"


@pytest.fixture(scope="module")
def probed(packages: Path) -> dict[str, tuple[str, int]]:
    """What each function said when it was imported, and how that ended, by its folder."""
    lines = map(ast.literal_eval, python(packages, PROBES, *map(str, FUNCTIONS)).splitlines())
    return {folder: (said, status) for folder, said, status in lines}


def python(packages: Path, code: str, *arguments: str) -> str:
    """Run code that sees the layer and nothing else; return what it prints."""
    keys = {"AWS_ACCESS_KEY_ID": "A" * 20, "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    environment = {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1", **keys}
    command = [sys.executable, "-S", "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def clients_made() -> Iterator[str]:
    """The services that the product makes clients of, read off its source."""
    for path in [*(ROOT / "layers/gpuops/gpuops").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in {"client", "create_client"}:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value)
                else:
                    assert path.name == "aws.py", f"{path}: a client by a name that only shows when it runs"


def snake(operation: str) -> str:
    """As the client names it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@pytest.mark.parametrize("folder", FUNCTIONS, ids=lambda folder: folder.name)
def test_a_handler_is_imported_from_the_layer_alone(probed: dict[str, tuple[str, int]], folder: Path) -> None:
    """It says whether the Kubernetes transport came along."""
    said, status = probed[str(folder)]
    assert status == 0, said
    assert said.strip() in {"True", "False"}


def test_the_models_that_stay_are_those_of_the_clients_that_are_made(packages: Path) -> None:
    """One too few fails at night, one too many is loaded for nothing."""
    assert set(trim.SERVICES) == set(clients_made())
    kept = {path.name for path in (packages / "botocore" / "data").iterdir() if path.is_dir()}
    assert kept == set(trim.SERVICES)


def test_every_client_can_be_made_and_a_token_signed(packages: Path) -> None:
    """Endpoints, partitions, defaults and retries are read from files of the layer, too; signing needs no model."""
    python(packages, CLIENTS, *trim.SERVICES)
    assert python(packages, SIGNED).startswith("k8s-aws-v1.")


def test_our_services_are_where_they_are_in_all_of_botocores_table(packages: Path) -> None:
    """In every partition: the layer's table has lost only other services."""
    full = botocore.session.get_session()
    at = [(s, p) for s in trim.SERVICES for p in full.get_available_partitions()]
    known = [[s, p, full.get_available_regions(s, p, allow_non_regional=True)] for s, p in at]

    assert json.loads(python(packages, REGIONS, *trim.SERVICES)) == known
    assert (packages / "botocore/data/endpoints.json").stat().st_size < 100_000


def test_a_model_loses_nothing_but_its_texts() -> None:
    """A member of a shape may bear the same name."""
    model = {"documentation": "<p>long</p>", "shapes": [{"members": {"documentation": {"shape": "String"}}}]}
    assert trim.undocumented(model) == {"shapes": [{"members": {"documentation": {"shape": "String"}}}]}


def test_of_ec2_stays_what_is_called(packages: Path) -> None:
    """One operation too few fails at night; the shapes of the others are most of the largest model there is."""
    called = {name for path in ADAPTERS for name in EC2_CALL.findall(path.read_text())}
    assert {snake(name) for name in trim.EC2} == called
    assert sorted(json.loads(python(packages, OPERATIONS))) == sorted(trim.EC2)


def test_shapes_are_followed_wherever_a_model_names_them() -> None:
    """Through members, lists and errors, and in circles."""
    shapes = {
        "In": {"members": {"Tree": {"shape": "Tree"}}},
        "Tree": {"members": {"Trees": {"shape": "Trees"}}},
        "Trees": {"type": "list", "member": {"shape": "Tree"}},
        "Wrong": {"type": "structure"},
        "Other": {"type": "string"},
    }
    asked = {"input": {"shape": "In"}, "errors": [{"shape": "Wrong"}]}
    model = {"metadata": {}, "operations": {"Ask": asked, "Tell": {"input": {"shape": "Other"}}}, "shapes": shapes}

    kept = trim.only(model, ["Ask"])

    assert (kept["operations"], set(kept["shapes"])) == ({"Ask": asked}, {"In", "Tree", "Trees", "Wrong"})


def test_the_layer_is_small(packages: Path) -> None:
    """Of the 250 MB that Lambda allows, and of what a cold start has to fetch."""
    assert sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) <= LAYER_LIMIT_MB * 1e6


def test_of_kubernetes_only_the_transport_is_left(packages: Path) -> None:
    """Neither kubernetes.aio nor the typed APIs and models, nor what only they import."""
    inits = {"__init__.py", "client/__init__.py", "client/models/__init__.py"}
    sources = {str(path.relative_to(packages / "kubernetes")) for path in (packages / "kubernetes").rglob("*.py")}
    assert sources == inits | {f"client/{name}" for name in trim.TRANSPORT}
    assert [name for name in trim.UNUSED if (packages / name).exists()] == []


def test_every_module_is_compiled_and_never_checked(packages: Path) -> None:
    """The layer is read-only: asking each source for its time is a cold start's waste."""
    sources = {path for path in packages.rglob("*.py") if "__pycache__" not in path.parts}
    compiled = {path.parents[1] / f"{path.name.split('.')[0]}.py": path for path in packages.rglob("*.pyc")}
    assert set(compiled) == sources
    flags = {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled.values()}
    assert flags == {CHECKED_NEVER}


def test_only_finished_layers_are_forgotten(tmp_path: Path) -> None:
    """Somebody else's build under way is not old: it is not there yet."""
    names = [f"{number:016x}" for number in range(KEPT + 1)]
    for number, name in enumerate(["tmp1234", *names]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (number, number))

    _forget_oldest(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [*names[1:], "tmp1234"]
