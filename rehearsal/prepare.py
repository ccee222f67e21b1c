"""Has everything ready that a rehearsal would otherwise make first: the control plane's binaries and the layer.

Both take long once and lie in the cache afterwards; `make setup` calls this, so that no rehearsal starts with it.
"""

import sys

from rehearsal.control_plane.binaries import find_or_build, say
from rehearsal.layer import LayerBuildError, built_layer, cache_folder


def prepare() -> None:
    """Find or make both; silent when they are there.

    Raises: ChildProcessError, FileNotFoundError, LayerBuildError.
    """
    find_or_build()
    if not any((cache_folder() / "layers").glob("*/python")):
        say("Building the Lambda layer for this machine …")
    built_layer()


if __name__ == "__main__":
    try:
        prepare()
    except (ChildProcessError, FileNotFoundError, LayerBuildError) as error:
        sys.exit(f"Set-up failed: {error}")
