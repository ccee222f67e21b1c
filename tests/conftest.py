"""What all tests share: properties are judged by their answers, not by how busy the machine is.

`make test` deals the tests out to processes. A module stays together, since its tests share fixtures, and a control
plane takes seconds to start; of the rehearsals, the tests of one scenario stay together, since it is played once.
"""

import gc
import os
import re
import sys

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("gpuops", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("gpuops"), max_examples=20_000, print_blob=True)
settings.load_profile(os.environ.get("GPUOPS_EXAMPLES", "gpuops"))

LONGEST = ("/test_sweep.py", "/test_local.py", "/test_rehearse_ends.py", "/test_doctor.py", "[launch_storm")
"""What takes tens of seconds by itself goes first: dealt last, it would be waited for by all but one process."""
PLAYED = re.compile(r"/test_rehearse\.py::\w+\[(\w+)")
"""A test of a scenario has its name as first parameter."""


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Deals out groups in the order of the tests; not the `loadgroup` of xdist 3.8, which pytest 9.2 does not heed."""

    def _split_scope(self, nodeid: str) -> str:
        scenario = PLAYED.search(nodeid)
        return scenario[1] if scenario else nodeid.partition("::")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest first where tests are dealt out."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not any(name in item.nodeid for name in LONGEST))


def pytest_collection_finish() -> None:
    """Spare the tests work of which nobody has anything, a tenth of their CPU each time.

    What was imported stays: garbage is looked for among the rest. And moto need not stand, at its every start, between
    `requests` and each address of AWS by each method: all clients here are botocore's.
    """
    gc.freeze()
    if moto := sys.modules.get("moto.core.models"):
        moto.RESPONSES_METHODS.clear()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Answer xdist, which asks once before it deals."""
    return Groups(config, log)
