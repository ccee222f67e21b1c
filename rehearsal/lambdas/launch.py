"""Become the real Lambda runtime client, and die with the process that started it.

Run by path with `-P -S`, so that neither this folder nor the host's packages are importable by the function:
a library missing from the layer is missing here too, as it is on Lambda.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """argv: the handler, then the process id that must stay alive."""
    handler, parent = sys.argv[1], int(sys.argv[2])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above could take hold
        sys.exit(1)
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__")


if __name__ == "__main__":
    main()
