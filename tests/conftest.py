"""What all tests share: properties are judged by their answers, not by how busy the machine is.

`make test` deals tests out to processes by their group. A module is one, since its tests share fixtures, and a control
plane takes seconds to start; whoever names a group of its own (test_rehearse.py) is dealt out with that.
"""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("gpuops", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gpuops")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what has no group of its own; first of all, or those who deal out would not see it."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
