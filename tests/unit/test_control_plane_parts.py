"""What of the control plane needs no control plane: binaries found or built, tokens reviewed, the pod network.

Covers: GPUOPS_K8S_BIN, cache, build with a stand-in for Go (good, failing, interrupted), versions, a Go that is too
old, certificates, the token review, CONNECT and what is not CONNECT, a component that ends before apiserver is ready.
"""

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.control_plane import (
    ControlPlane,
    Identity,
    PodNetwork,
    binaries,
    build,
    certificates,
    components,
    find_or_build,
    scratch,
)
from rehearsal.control_plane.authn import review

GO = """#!/bin/sh
case "$1" in
  env) echo go1.99.0 ;;
  mod) echo "$GOMODCACHE" > modules-were-here; mkdir -p "$GOMODCACHE" ;;
  build) {build} ;;
esac
"""
GOOD_BUILD = 'while [ "$1" != -o ]; do shift; done; mkdir -p "$(dirname "$2")"; echo built > "$2"; chmod +x "$2"'


def executable(path: Path, text: str = "") -> Path:
    """A file that may be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def go_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a stand-in for Go first in PATH: what it is told is ours, what it does is not."""
    go = executable(tmp_path / "bin" / "go", GO.format(build=script))
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(binaries, "MODULES", tmp_path / "modules")
    (tmp_path / "modules").mkdir()
    pins = "go 1.26.0\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.6.16\n\tk8s.io/kubernetes v1.36.3\n)\n"
    (tmp_path / "modules" / "go.mod").write_text(pins)


def test_given_binaries_are_taken_as_they_are(tmp_path: Path) -> None:
    """GPUOPS_K8S_BIN wins over everything."""
    for name in binaries.NAMES:
        executable(tmp_path / name)
    assert find_or_build(environment={"GPUOPS_K8S_BIN": str(tmp_path)}) == tmp_path


def test_given_binaries_that_are_incomplete_are_an_error(tmp_path: Path) -> None:
    """Silently building instead would not be what was asked for."""
    executable(tmp_path / "etcd")
    with pytest.raises(FileNotFoundError, match="lacks kube-apiserver, kube-controller-manager, kube-scheduler"):
        find_or_build(environment={"GPUOPS_K8S_BIN": str(tmp_path)})


def test_the_cache_is_keyed_by_the_pinned_versions(tmp_path: Path) -> None:
    """A new pin must not meet old binaries."""
    target = tmp_path / "gpuops" / "control-plane-1.36.3-etcd-3.6.16"
    for name in binaries.NAMES:
        executable(target / name)
    assert find_or_build(environment={"XDG_CACHE_HOME": str(tmp_path)}) == target


def test_a_build_says_what_it_does_and_leaves_only_the_binaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress for a person who waits five minutes; no three gigabytes left afterwards."""
    go_in_path(tmp_path, monkeypatch, GOOD_BUILD)
    said: list[str] = []

    target = find_or_build(said.append, {"XDG_CACHE_HOME": str(tmp_path / "cache")})

    assert sorted(path.name for path in target.iterdir()) == sorted(binaries.NAMES)
    assert sorted(path.name for path in target.parent.iterdir()) == ["build.lock", target.name]
    assert "about 5 minutes" in said[0]
    assert [line for line in said if "compiling" in line] == [
        f"[{number}/4] compiling {name} …" for number, name in enumerate(build.PACKAGES, 1)
    ]


def test_a_build_leaves_the_callers_own_go_caches_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI may keep them between runs."""
    go_in_path(tmp_path, monkeypatch, GOOD_BUILD)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("GOCACHE", str(tmp_path / "mine"))

    find_or_build(lambda _: None, {"XDG_CACHE_HOME": str(tmp_path / "cache")})

    assert (tmp_path / "mine").is_dir()


def test_a_failed_build_leaves_nothing_that_looks_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error carries Go's own words, and the next try builds."""
    go_in_path(tmp_path, monkeypatch, "echo no space left on device; exit 1")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    with pytest.raises(ChildProcessError, match="no space left on device"):
        find_or_build(lambda _: None, environment)
    assert not list((tmp_path / "cache").glob("gpuops/control-plane-*"))

    (tmp_path / "bin" / "go").write_text(GO.format(build=GOOD_BUILD))
    assert binaries.is_complete(find_or_build(lambda _: None, environment))


def test_the_build_keeps_its_downloads_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a file outside our cache, unless the caller has module caches of his own."""
    monkeypatch.delenv("GOMODCACHE", raising=False)
    assert build.build_environment(tmp_path)["GOMODCACHE"] == str(tmp_path / "modules")
    monkeypatch.setenv("GOMODCACHE", "/mine")
    assert build.build_environment(tmp_path)["GOMODCACHE"] == "/mine"


def test_a_go_that_is_too_old_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's is; the one in our cache is taken instead, and nothing is fetched when it is there."""
    go_in_path(tmp_path, monkeypatch, GOOD_BUILD)
    (tmp_path / "modules" / "go.mod").write_text("go 1.100.0\n")
    ours = executable(tmp_path / "cache" / "go" / "go" / "bin" / "go")
    assert build.find_go(tmp_path / "cache", tmp_path / "modules", pytest.fail) == str(ours)


def test_the_linker_stamps_the_version() -> None:
    """`kubectl version` and client libraries read it."""
    assert "gitVersion=v1.36.3 " in build.link_flags("1.36.3")
    assert "gitMinor=36" in build.link_flags("1.36.3")


def test_a_token_review_names_user_and_groups() -> None:
    """The answer that kube-apiserver expects, and nothing about strangers."""
    known = {"t": Identity("me", ("a", "b"))}.get
    assert review("t", known)["status"] == {"authenticated": True, "user": {"username": "me", "groups": ["a", "b"]}}
    assert review("x", known)["status"] == {"authenticated": False}


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """Even for a minute on loopback."""
    _, key = certificates.authority("ca").write(tmp_path, "ca")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.fixture
def network() -> Iterator[Path]:
    """A pod network that answers with what it was asked."""
    directory = scratch.scratch_directory()
    directory.mkdir()
    network = PodNetwork(directory / "s", lambda host, port, path: (200, f"{host} {port} {path}".encode()))
    network.start()
    yield directory / "s"
    network.stop()
    directory.rmdir()  # fails if the socket is still there


def exchange(path: Path, *messages: bytes) -> bytes:
    """Send each message after the answer to the one before; the whole last answer, since its end closes the line."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        for message in messages[:-1]:
            client.sendall(message)
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        client.sendall(messages[-1])
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_a_connection_to_a_pod_is_answered_by_serve(network: Path) -> None:
    """IPv4 or IPv6, any port but the kubelet's in plain text."""
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(network, b"CONNECT 10.42.0.7:9400 HTTP/1.1\r\n\r\n", request).endswith(b"10.42.0.7 9400 /metrics")
    assert exchange(network, b"CONNECT [fd00::7]:9400 HTTP/1.1\r\n\r\n", request).endswith(b"fd00::7 9400 /metrics")


def test_anything_but_connect_is_refused(network: Path) -> None:
    """A client that takes the socket for a web server gets an answer, not silence."""
    assert exchange(network, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")


class Starting(ControlPlane):
    """A control plane of which only one component is looked at: dead until it is started anew."""

    def __init__(self, directory: Path, said: str) -> None:
        super().__init__(directory, directory, lambda _: None)
        self.logs.mkdir()
        (self.logs / "kube-controller-manager.log").write_text(said)
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        self.pids["kube-controller-manager"] = ended.pid
        self._commands["kube-controller-manager"] = ["controllers"]
        self.started: list[components.Argv] = []

    def _run(self, name: str, argv: components.Argv) -> None:
        self.started.append(argv)
        self.pids[name] = os.getpid()

    def _answers(self, path: str) -> bool:
        return bool(self.started)


def test_controllers_that_lost_patience_with_apiserver_are_started_anew(tmp_path: Path) -> None:
    """They wait for ten seconds only, which is not much where two rehearsals begin at once."""
    plane = Starting(tmp_path, "failed to wait for apiserver being healthy: timed out waiting for the condition")

    plane._wait_for("/readyz", time.monotonic() + 60)

    assert plane.started == [["controllers"]]


def test_whatever_else_ends_a_component_is_told(tmp_path: Path) -> None:
    """Starting it again would end the same way."""
    with pytest.raises(ChildProcessError, match="unknown flag"):
        Starting(tmp_path, "unknown flag")._wait_for("/readyz", time.monotonic() + 60)
