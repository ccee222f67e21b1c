"""Cuts a built layer down to what the functions import, and compiles it: a cold start reads less and checks nothing.

Measured: the typed Kubernetes clients take 0.95 s to import and the transport 0.28 s; all of botocore's service
models take 29 MB and ours 4. All of prometheus_client takes 0.04 s, its parser 0.01 s. The clients of a
first call take 0.16 s to make, and 0.10 s without the models' documentation and the endpoints of other services; EC2's
takes 0.08 s, and 0.02 s with the operations that we call. The packages' code is emptied or removed, never changed.
"""

import compileall
import gzip
import json
import py_compile
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

SERVICES = (
    "autoscaling", "cloudwatch", "dynamodb", "ec2", "ecr", "eks", "events", "imagebuilder", "resourcegroupstaggingapi",
    "s3", "service-quotas", "sns", "sqs", "ssm", "stepfunctions",
)  # fmt: skip
"""The botocore service models that stay; a test compares them with the clients that the adapters make.

Not STS: the cluster's token is signed, not asked for.
"""

TRANSPORT = ("api_client.py", "configuration.py", "exceptions.py", "rest.py")
"""What stays of kubernetes.client: we speak raw JSON through its transport."""

PARSER = ("parser.py", "metrics_core.py", "samples.py", "validation.py")
"""What stays of prometheus_client: we read expositions and serve none."""

UNUSED = (
    "aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "attrs", "frozenlist", "multidict", "propcache", "yarl",
    "oauthlib", "requests_oauthlib", "websocket", "durationpy", "bin",
)  # fmt: skip
"""Dependencies of kubernetes.aio, its exec plugins and its web sockets: none of them is imported here."""

LAMBDA_PYTHON = (3, 13)


EC2 = (
    "CreateLaunchTemplateVersion", "CreateReplaceRootVolumeTask", "DescribeCapacityReservations", "DescribeImages",
    "DescribeInstances", "DescribeInstanceTypes", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions",
    "DescribeReplaceRootVolumeTasks", "DescribeSubnets", "RebootInstances", "StopInstances",
)  # fmt: skip
"""EC2's operations that stay, of some 750; a test compares them with the calls that the adapters make."""


def trim_kubernetes(package: Path) -> None:
    """Keep the transport; the emptied __init__ files keep the import paths alive."""
    for path in package.iterdir():
        if path.name not in ("__init__.py", "client"):
            _remove(path)
    client = package / "client"
    for path in client.iterdir():
        if path.name not in ("__init__.py", *TRANSPORT):
            _remove(path)
    (client / "models").mkdir()
    for path in (package, client, client / "models"):
        (path / "__init__.py").write_text("")


def trim_prometheus(package: Path) -> None:
    """Keep the parser; the emptied __init__ starts no server and no registry."""
    for path in package.iterdir():
        if path.name not in PARSER:
            _remove(path)
    (package / "__init__.py").write_text("")


def trim_botocore(data: Path) -> None:
    """Keep our services' newest models, without the examples, and the files that belong to no service."""
    for path in data.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            _remove(path)
        elif path.is_dir():
            for older in sorted(one for one in path.iterdir() if one.is_dir())[:-1]:
                _remove(older)
    for examples in data.rglob("examples-1.json*"):
        examples.unlink()
    prefixes = {thin_model(model) for model in data.glob("*/*/service-2.json.gz")}
    thin_endpoints(data / "endpoints.json", prefixes)


def thin_model(path: Path) -> str:
    """Leave out a model's documentation, which nobody asks a function for; return the name its endpoints have.

    Only that of a client's context parameters botocore reads, at the first call.
    """
    model = json.loads(gzip.decompress(path.read_bytes()))
    if path.parts[-3] == "ec2":
        model = only(model, EC2)
    asked = {key: model[key] for key in ("clientContextParams",) if key in model}
    path.write_bytes(gzip.compress(json.dumps(undocumented(model) | asked).encode(), mtime=0))
    return str(model["metadata"]["endpointPrefix"])


def only(model: dict[str, Any], operations: Collection[str]) -> dict[str, Any]:
    """Copy a model with these operations, and with the shapes that they lead to."""
    kept = {name: model["operations"][name] for name in operations}
    shapes, left = {}, list(_shapes_in(kept))
    while left:
        name = left.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            left += _shapes_in(shapes[name])
    return {**model, "operations": kept, "shapes": shapes}


def _shapes_in(part: Any) -> Iterator[str]:
    """The names of shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _shapes_in(one)


def undocumented(model: Any) -> Any:
    """Copy a model; a `documentation` that is not text is a member of a shape, and stays."""
    if isinstance(model, dict):
        kept = {k: v for k, v in model.items() if not (k == "documentation" and isinstance(v, str))}
        return {k: undocumented(v) for k, v in kept.items()}
    return [undocumented(v) for v in model] if isinstance(model, list) else model


def thin_endpoints(path: Path, prefixes: set[str]) -> None:
    """Keep every partition and region, and of the services ours."""
    endpoints = json.loads(path.read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: at for name, at in partition["services"].items() if name in prefixes}
    path.write_text(json.dumps(endpoints))


def compile_layer(root: Path) -> None:
    """Write .pyc files that are never checked against their source: the layer is read-only."""
    done = compileall.compile_dir(
        root, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, workers=0
    )
    if not done:
        sys.exit(f"{root}: some files do not compile")


def trim(root: Path, target: str) -> None:
    """Trim the layer's python folder; compile it when this interpreter is the one that will run it."""
    trim_kubernetes(root / "kubernetes")
    trim_prometheus(root / "prometheus_client")
    trim_botocore(root / "botocore" / "data")
    for name in UNUSED:
        _remove(root / name)
    for path in [*root.glob("*.dist-info/RECORD"), *root.glob("*/tests")]:
        _remove(path)
    if target == "host" or sys.version_info[:2] == LAMBDA_PYTHON:
        compile_layer(root)
    else:
        print("built by another Python than 3.13: no .pyc files, so cold starts take longer", file=sys.stderr)


def _remove(path: Path) -> None:
    """Remove a file or a folder; one that is not there is as good as removed."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    trim(Path(sys.argv[1]), sys.argv[2])
