"""What the table remembers of releases; against moto's DynamoDB in process.

Covered: the first sight stays; the last telling, of each group for itself; what was never seen.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from gpuops.adapters.releases import Releases
from gpuops.domain.rotation.release import Condemned, Told
from tests.fakes.rotation import NOW, TARGET
from tests.fakes.world import table


@pytest.fixture
def releases() -> Iterator[Releases]:
    """An empty table."""
    with mock_aws():
        yield Releases(table())


def test_a_release_remembers_its_first_sight(releases: Releases) -> None:
    """A hold counts from there."""
    releases.see("gpu", TARGET, NOW)

    assert releases.see("gpu", TARGET, NOW + timedelta(days=1)).seen == NOW


def test_what_was_never_seen_is_not_remembered_by_asking(releases: Releases) -> None:
    """`gpuops plan` asks, and writes nothing."""
    assert releases.seen("gpu", TARGET.ami) is None
    assert releases.seen("gpu", TARGET.ami) is None


def test_the_last_telling_is_remembered_for_each_group(releases: Releases) -> None:
    """Beside what was seen, and not instead of it."""
    first, last = (Told(ami=ami, mode="apply", at=NOW) for ami in ("ami-1", TARGET.ami))
    releases.see("gpu", TARGET, NOW)
    releases.tell("gpu", first)
    releases.tell("gpu", last)

    assert (releases.told("gpu"), releases.told("other")) == (last, None)
    assert releases.see("gpu", TARGET, NOW + timedelta(days=1)).seen == NOW


def test_everything_about_a_group_is_read_at_once(releases: Releases) -> None:
    """Each release as it stands now, and the telling beside them."""
    told = Told(ami=TARGET.ami, mode="apply", at=NOW)
    seen = releases.see("gpu", TARGET, NOW)
    releases.tell("gpu", told)
    withdrawn = seen.model_copy(update={"status": "withdrawn", "why": "gone"})
    releases.keep("gpu", withdrawn)
    releases.condemn("gpu", Condemned(target=TARGET, at=NOW, run="run-1", why="Xid 79"))

    assert releases.of("gpu") == ([withdrawn], told)
    assert releases.of("other") == ([], None)
    assert releases.see("gpu", TARGET, NOW) == withdrawn
