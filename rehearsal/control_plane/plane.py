"""One control plane: up in seconds, and gone with everything it wrote.

The order matters only once: apiserver needs its files before it starts. The others wait for it by themselves, and who
loses patience is started anew.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self

from rehearsal.control_plane import certificates, components
from rehearsal.control_plane.authn import TokenWebhook
from rehearsal.control_plane.guard import Guard, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rehearsal.control_plane.authn import Identity

START_SECONDS = 90
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts/default"
"""It exists once kube-controller-manager works; before that no pod is admitted."""
IMPATIENT = "failed to wait for apiserver being healthy"
"""kube-controller-manager ends with this after ten seconds: on a busy machine apiserver needs longer to get ready."""


class PortTakenError(ChildProcessError):
    """Somebody took a port between the look and the start."""


class ControlPlane:
    """etcd, kube-apiserver, kube-controller-manager and kube-scheduler over a directory that `stop` removes."""

    def __init__(self, directory: Path, binaries: Path, authenticate: Callable[[str], Identity | None]) -> None:
        self.directory, self.binaries = directory.resolve(), binaries
        self.ca_file = self.directory / "ca.crt"
        self.podnet_socket = self.directory / "podnet.sock"
        self.logs = self.directory / "logs"
        self.admin_token = secrets.token_hex(16)
        self.server = ""
        self.pids: dict[str, int] = {}
        self._commands: dict[str, components.Argv] = {}
        self._webhook = TokenWebhook(authenticate)
        self._guard: Guard | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; return when apiserver is ready and controllers work.

        Raises: ChildProcessError with the end of its log when a component dies, TimeoutError when none gets ready.
        """
        self._webhook.start()
        try:
            self._start_on_free_ports()
        except BaseException:  # Ctrl-C as well
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the processes and remove the directory."""
        self._end_processes()
        self._webhook.stop()

    def restart(self, name: str) -> None:
        """Start a component anew, once the old one is gone; it forgets what it drew by lot.

        Raises: ChildProcessError when the control plane is not up.
        """
        if name not in self.pids:
            raise ChildProcessError(f"cannot start {name} anew: it does not run")
        old = self.pids[name]
        os.kill(old, signal.SIGKILL)
        while is_alive(old):
            time.sleep(0.01)
        self._run(name, self._commands[name])

    def _end_processes(self) -> None:
        if self._guard:
            self._guard.stop()
        self._guard, self.pids = None, {}

    def _start_on_free_ports(self) -> None:
        try:
            self._start()
        except PortTakenError:
            self._end_processes()
            self._start()

    def _start(self) -> None:
        self._guard = Guard(self.directory)
        self.logs.mkdir(exist_ok=True)
        api_port, etcd_port, peer_port = free_ports(3)
        self.server = f"https://127.0.0.1:{api_port}"
        files = self._write_files()
        self._run("etcd", components.etcd(files, etcd_port, peer_port))
        api = components.apiserver(files, api_port, etcd_port, self._webhook.url, self.podnet_socket)
        self._run("kube-apiserver", api)
        self._run("kube-controller-manager", components.controller_manager(files))
        self._run("kube-scheduler", components.scheduler(files))
        deadline = time.monotonic() + START_SECONDS
        self._wait_for("/readyz", deadline)
        self._wait_for(ACCOUNTS, deadline)

    def _write_files(self) -> components.Files:
        authority = certificates.authority("rehearsal")
        authority.write(self.directory, "ca")
        serving = certificates.server(authority, "kube-apiserver", components.SERVER_NAMES)
        certificate, key = serving.write(self.directory, "apiserver")
        tokens = self.directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.admin_token},rehearsal,rehearsal,"system:masters"\n', encoding="utf-8")
        kubeconfig = components.kubeconfig(self.server, ca=self.ca_file, token=self.admin_token)
        files = components.Files(
            directory=self.directory,
            binaries=self.binaries,
            certificate=certificate,
            key=key,
            ca=self.ca_file,
            account_key=certificates.write_key(certificates.new_key(), self.directory / "accounts.key"),
            kubeconfig=self.directory / "kubeconfig",
            tokens=tokens,
        )
        files.write("kubeconfig", kubeconfig)
        return files

    def _run(self, name: str, argv: components.Argv) -> None:
        if self._guard is None:
            raise ChildProcessError(f"cannot start {name}: the control plane has been stopped")
        log, self._commands[name] = self.logs / f"{name}.log", argv
        self.pids[name] = self._guard.start(argv, log=log, env=components.environment())

    def _wait_for(self, path: str, deadline: float) -> None:
        while not self._answers(path):
            for name in [name for name, pid in self.pids.items() if not is_alive(pid)]:
                said = self._end_of_log(name)
                if IMPATIENT not in said:
                    kind = PortTakenError if "address already in use" in said else ChildProcessError
                    raise kind(f"{name} died:\n{said}")
                (self.logs / f"{name}.log").unlink()
                self._run(name, self._commands[name])
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} gave no answer:\n{self._end_of_log('kube-apiserver')}")
            time.sleep(0.05)

    def _answers(self, path: str) -> bool:
        request = urllib.request.Request(self.server + path, headers={"Authorization": f"Bearer {self.admin_token}"})
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(request, context=context, timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _end_of_log(self, name: str, lines: int = 8) -> str:
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range from which the kernel gives out its own.

    One taken in between is seen in the component's log, and others are tried.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as probe:
            if port not in ports and probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(port)
    return ports
