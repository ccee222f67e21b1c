"""A process that has imported the functions' libraries, and forks off a process for each function.

Run by path with `-P -S`, so that neither this folder nor the host's packages are importable by a function: a library
missing from the layer is missing here too, as it is on Lambda. Before a fork it does nothing but import, so that a
forked process inherits no thread, no connection and nothing of another function; after it, the process becomes the
real Lambda runtime client. botocore's descriptions of services are files, too: they are parsed once for all.

argv: the process id that must stay alive, then the modules to import. In: one JSON object a line, {env, folder, log}
of a function to start. Out: {started}, its pid, and when that one ends {ended, status}.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
STDIN, STDOUT, STDERR = 0, 1, 2
DESCRIPTORS = 4096
"""More than were ever open here: a forked process closes them all."""
Order = dict[str, Any]


def main() -> None:
    """Serve; whoever comes back with an order is the process that is to carry it out."""
    parent, *modules = sys.argv[1:]
    die_with(int(parent))
    warm_up(modules)
    order = serve()
    if order:
        become(order)


def die_with(parent: int) -> None:
    """Ask the kernel to end this process with its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above could take hold
        sys.exit(1)


def warm_up(modules: Iterable[str]) -> None:
    """Import what there is of these; a function that needs one which is missing will say so itself."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        read_once()
    gc.freeze()  # collections in the forked processes would copy every page of it


def read_once() -> None:
    """Parse what botocore would parse at each function's cold start, from the layer that they share.

    Nothing of it depends on a function. botocore may change a description after it has parsed it, by the package's own
    extras; a forked process then changes its own copy, once.
    """
    loaders = importlib.import_module("botocore.loaders")
    parse, parsed = loaders.JSONFileLoader.load_file, {}

    def load_file(self: Any, path: str) -> Any:
        if path not in parsed:
            parsed[path] = parse(self, path)
        return parsed[path]

    loaders.JSONFileLoader.load_file = load_file
    for path in sorted(Path(loaders.Loader.BUILTIN_DATA_PATH).rglob("*.json*")):
        load_file(loaders.JSONFileLoader(), str(path).removesuffix(".gz").removesuffix(".json"))


def serve() -> Order | None:
    """Fork at each order until the pipe ends; return in each forked process, with its order."""
    with selectors.DefaultSelector() as selector:
        selector.register(STDIN, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd != STDIN:
                    selector.unregister(key.fd)
                    reap(key.fd, key.data)
                    continue
                line = sys.stdin.readline()  # no second one behind it: an order waits for the last one's answer
                pid = os.fork() if line else 0
                if pid == 0:
                    return json.loads(line) if line else None
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                say(started=pid)


def reap(descriptor: int, pid: int) -> None:
    """Tell how a process ended."""
    os.close(descriptor)
    say(ended=pid, status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def say(**what: int) -> None:
    """Answer past the buffer, which a forked process would inherit."""
    os.write(STDOUT, json.dumps(what).encode() + b"\n")


def become(order: Order) -> None:
    """Be what a fresh process with this environment, folder and log would be, and run the function."""
    die_with(order["parent"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for target, source in ((STDIN, os.open(os.devnull, os.O_RDONLY)), (STDOUT, log), (STDERR, log)):
        os.dup2(source, target)
    os.closerange(STDERR + 1, DESCRIPTORS)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.path.insert(0, order["folder"])
    sys.argv = ["awslambdaric", order["env"]["_HANDLER"]]
    runpy.run_module("awslambdaric", run_name="__main__")


if __name__ == "__main__":
    main()
