"""`gpuops bench scrape` reads every GPU of every node, and says when it did not."""

from bench.scrape import scrape


def test_every_gpu_of_every_node_is_read() -> None:
    """Three nodes of two GPUs, within the limit; the time that texts take is part of the whole."""
    measured = scrape(nodes=3, gpus=2, milliseconds=1)
    assert (measured["nodes"], measured["gpus"], measured["met"]) == (3, 6, True)
    assert 0 < measured["reading_seconds"] <= measured["seconds"]
    assert measured["bytes_per_node"] > 10_000
