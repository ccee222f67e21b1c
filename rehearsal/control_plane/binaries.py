"""Finds the control plane's four binaries, or builds them once from the pinned Go modules.

Nobody publishes them in a package registry, but the Go module proxy has their source, and a build is the same
everywhere. They lie outside the checkout under their versions, so that every clone shares them.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rehearsal.control_plane import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress = Callable[[str], None]

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
MODULES = Path(__file__).with_name("modules")


def say(line: str) -> None:
    """Progress goes to standard error: standard output belongs to the result."""
    print(line, file=sys.stderr, flush=True)


def find_or_build(progress: Progress = say, environment: Mapping[str, str] = os.environ) -> Path:
    """The directory with the binaries: GPUOPS_K8S_BIN, else the cache, else built into the cache.

    Raises: FileNotFoundError when GPUOPS_K8S_BIN lacks one, ChildProcessError when the build fails.
    """
    given = environment.get("GPUOPS_K8S_BIN")
    if given:
        missing = [name for name in NAMES if not os.access(Path(given, name), os.X_OK)]
        if missing:
            raise FileNotFoundError(f"GPUOPS_K8S_BIN={given} lacks {', '.join(missing)}")
        return Path(given)
    cache = cache_directory(environment)
    versions = pinned_versions()
    target = cache / f"control-plane-{versions['kubernetes']}-etcd-{versions['etcd']}"
    if not is_complete(target):
        _build_alone(cache, target, versions, progress)
    return target


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where things lie that are worth keeping between checkouts."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home(), ".cache")
    return Path(base) / "gpuops"


def pinned_versions(modules: Path = MODULES) -> dict[str, str]:
    """Versions of Kubernetes and etcd as go.mod pins them, so that they stand in one place."""
    text = (modules / "go.mod").read_text(encoding="utf-8")
    return {
        "kubernetes": re.findall(r"^\s*k8s\.io/kubernetes v(\S+)", text, re.MULTILINE)[0],
        "etcd": re.findall(r"^\s*go\.etcd\.io/etcd/server/v3 v(\S+)", text, re.MULTILINE)[0],
    }


def is_complete(directory: Path) -> bool:
    """Whether all four are there; a build is moved into place whole, so half of one never is."""
    return all(os.access(directory / name, os.X_OK) for name in NAMES)


def _build_alone(cache: Path, target: Path, versions: Mapping[str, str], progress: Progress) -> None:
    """Build, unless another process just has: two would only slow each other down."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(target):
            build.build(cache, target, versions, MODULES, progress)
