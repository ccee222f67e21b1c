"""Folders and environment of a function, with nothing of the host in them.

A rehearsal is only worth something if a function cannot reach what it will not have on Lambda: the host's
packages, its credentials, its home. Layers are unpacked once for all functions that share them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

REGION = "us-east-1"
ACCOUNT = "123456789012"
RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py")


@dataclass(frozen=True)
class FunctionSpec:
    """A function as CloudFormation knows it, with the bytes of its code."""

    name: str
    code: bytes
    handler: str
    role_arn: str
    layers: tuple[bytes, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float = 3
    memory_mib: int = 128

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


class Credentials(Protocol):
    """A key pair that the wire issued."""

    @property
    def access_key(self) -> str:
        """What AWS calls the access key id."""

    @property
    def secret_key(self) -> str:
        """Its secret."""


class Wire(Protocol):
    """Where a function's calls go, and with whose keys."""

    @property
    def aws_url(self) -> str:
        """The endpoint of every AWS service."""

    def credentials(self, role_arn: str, caller: str) -> Credentials:
        """Keys of this role, issued to this caller."""


def unpack(archive: bytes, folder: Path) -> Path:
    """The archive's folder, named by its content: the same bytes are unpacked once."""
    target = folder / _name(archive)
    if not target.exists():
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            opened.extractall(target)
    return target


@lru_cache(maxsize=256)
def _name(archive: bytes) -> str:
    """Asked at each cold start, and slow to work out for a layer; equal objects are found by identity."""
    return hashlib.sha256(archive).hexdigest()[:24]


def link_runtime(folder: Path) -> Path:
    """A folder with the runtime client and nothing else of the host's site-packages."""
    target = folder / "runtime"
    target.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_PACKAGES:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"__pycache__", ".."}:
            link = target / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))
    return target


def base_environment(home: Path) -> dict[str, str]:
    """What is the same for every process."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),  # unset on Lambda, but then libraries would read the host's ~/.aws
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def environment(spec: FunctionSpec, paths: list[Path], wire: Wire, api: str) -> dict[str, str]:
    """The whole environment of the process: Lambda's own variables, the role's keys, the template's variables."""
    keys = wire.credentials(spec.role_arn, spec.name)
    return {
        **base_environment(paths[0].parent),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "LAMBDA_TASK_ROOT": str(paths[0]),
        "_HANDLER": spec.handler,
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "rehearsal",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": wire.aws_url,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        **spec.environment,
    }
