"""The rehearsal's own world, in one story without the product's doing: see tests/fixtures/world.yaml.

Covered: objects patched and deleted by people, a taint removed, faults of a running machine, a plugin that crashes and
comes back, a root volume replaced, MIG nodes, somebody else's operator, and expectations of the end.
"""

from pathlib import Path

import pytest

from rehearsal.scenario import load
from tests.rehearsal.rehearsed import run

pytestmark = pytest.mark.cluster
FIXTURE = Path(__file__).parent.parent / "fixtures" / "world.yaml"


def test_what_people_and_hardware_do_is_seen_at_the_end(tmp_path: Path) -> None:
    """Everything that the story expects, and nothing that the observer forbids."""
    result = run(load(str(FIXTURE)), tmp_path / "world").result

    assert (result.observed["violations"], result.unmet, result.status) == ([], (), "passed")
    assert (result.clock["overrun"], result.clock["failures"]) == ({}, [])
