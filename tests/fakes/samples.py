"""Samples of GPUs, as far as a test cares."""

from collections.abc import Mapping

from gpuops.domain.dcgm.sample import GpuSample, PodShare


def held_by(uuid: str, holders: Mapping[int, str]) -> GpuSample:
    """Return a GPU whose shares these pods hold: `namespace/pod` by the share's index."""
    titles = {index: title.partition("/") for index, title in holders.items()}
    pods = tuple(PodShare(namespace=n, pod=name, replica=index) for index, (n, _, name) in titles.items())
    return GpuSample(uuid=uuid, pods=pods)
