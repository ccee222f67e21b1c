"""Reads what images require where their pods say nothing: bounded, side by side, and once for each digest.

A plan must not wait for registries without end: so many images at most, one host after its first silence no more, and
each request with a timeout of its own (`adapters.registry`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gpuops.adapters.world import World
from gpuops.domain.drivers.images import ImageRef, parse_image
from gpuops.domain.drivers.require import required_by
from gpuops.domain.drivers.workloads import Need, Unread, Use
from gpuops.domain.errors import EXPECTED, Invalid, Unavailable

MAX_IMAGES = 20
HOSTS_AT_ONCE = 4
Requires = tuple[str, ...]


@dataclass(frozen=True)
class Why:
    """Why an image could not be read."""

    reason: str


def read_needs(
    uses: Iterable[Use], architecture: str, world: World, *, remember: bool
) -> tuple[tuple[Need, ...], tuple[Unread, ...]]:
    """Return what the uses need, and those of which that could not be read. `remember` notes what was read."""
    uses = list(uses)
    silent = list(dict.fromkeys(use.name for use in uses if use.told is None))
    found = _read_all(silent[:MAX_IMAGES], architecture, world, remember=remember)
    found |= {name: Why(f"a plan reads {MAX_IMAGES} images at most") for name in silent[MAX_IMAGES:]}
    needs, unread = [], []
    for use in uses:
        requires = found[use.name] if use.told is None else use.told
        if isinstance(requires, Why):
            unread.append(Unread(use.workload, use.image, requires.reason))
        elif requires:
            needs.append(Need(use.workload, use.image, use.source, requires))
    return tuple(needs), tuple(unread)


def _read_all(names: Iterable[str], architecture: str, world: World, *, remember: bool) -> dict[str, Requires | Why]:
    """Every image by its name; hosts side by side, the images of one host one after the other."""
    found: dict[str, Requires | Why] = {}
    hosts: dict[str, dict[str, ImageRef]] = defaultdict(dict)
    for name in names:
        try:
            image = parse_image(name)
        except Invalid as error:
            found[name] = Why(str(error))
        else:
            hosts[image.host][name] = image

    def read(images: Mapping[str, ImageRef]) -> dict[str, Requires | Why]:
        return _read_host(images, architecture, world, remember=remember)

    with ThreadPoolExecutor(HOSTS_AT_ONCE) as pool:
        for some in pool.map(read, hosts.values()):
            found |= some
    return found


def _read_host(
    images: Mapping[str, ImageRef], architecture: str, world: World, *, remember: bool
) -> dict[str, Requires | Why]:
    """The images of one host, until it falls silent."""
    found: dict[str, Requires | Why] = {}
    silent: Why | None = None
    for name, image in images.items():
        try:
            found[name] = silent or _requires(image, architecture, world, remember=remember)
        except EXPECTED as error:
            found[name] = Why(str(error)[:200])
            silent = Why(str(error)[:200]) if isinstance(error, Unavailable) else None
    return found


def _requires(image: ImageRef, architecture: str, world: World, *, remember: bool) -> Requires:
    """What one image requires; by digest from the notes, if it was read before."""
    noted = world.image_notes.read(image.digest, architecture) if image.digest else None
    if noted is not None:
        return noted
    requires = required_by(world.registry.environment(image, architecture))
    if image.digest and remember:
        world.image_notes.write(image.digest, architecture, requires)
    return requires
