"""Whatever functions touch is imported only when it is asked for, and then made once."""

import subprocess
import sys

import pytest

from gpuops.adapters.late import Late
from gpuops.adapters.wishes import Wishes
from gpuops.adapters.world import World

FIELDS = sorted(name for name, field in vars(World).items() if isinstance(field, Late))
VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "EVENT_BUS_NAME", "POLICY_BUCKET", "POLICY_KEY", "QUARANTINE_URL",
    "REPORTS_BUCKET", "STACK_NAME", "TABLE_NAME",
)  # fmt: skip
LOADED = """
import sys
from gpuops.adapters.world import World
World()
print(*sorted(name for name in sys.modules if name.startswith(("gpuops.adapters.", "botocore", "kubernetes"))))
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> World:
    """A function's environment."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return World()


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_imported_is_what_the_type_says(here: World, name: str) -> None:
    """Mypy reads the one, Python the other."""
    assert World.__annotations__[name] == f"Late[{type(getattr(here, name)).__name__}]"


def test_it_is_made_once_for_each_world(here: World) -> None:
    """The next invocation's world has its own."""
    assert isinstance(here.wishes, Wishes)
    assert here.wishes is here.wishes
    assert here.wishes is not World().wishes


def test_a_world_alone_has_imported_no_adapter_and_no_client() -> None:
    """A function pays for what it touches."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["gpuops.adapters.inside", "gpuops.adapters.late", "gpuops.adapters.world"]
