"""Read and edit what a launch template tells a node: the labels and taints with which kubelet registers it.

The startup taint must stand there, because kubelet registers taints only when it creates its Node: a taint set
later leaves a gap in which any GPU pod may land. It is a NodeConfig of nodeadm, or the settings of Bottlerocket; which,
the text itself tells.
"""

import base64
import binascii
import re

from gpuops.domain import bottlerocket, nodeadm
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import STARTUP_TAINT, Taint
from gpuops.domain.mime import peel
from gpuops.domain.nodeview import NodeView

MAX_USER_DATA_BYTES = 16 * 1024
"""EC2's limit before base64 (RunInstances)."""


def parse_user_data(b64: str) -> NodeView:
    """What the user data asks of kubelet. Raises: Invalid, saying what it is instead of a NodeConfig, and where."""
    data, _ = peel(_decode(b64))
    settings = _settings(data)
    return nodeadm.view_of(data) if settings is None else bottlerocket.view_of(settings)


def with_startup_taint(b64: str, taint: Taint = STARTUP_TAINT) -> str:
    """The same user data whose nodes also register with `taint`; unchanged where they do already.

    Raises: Invalid for what is neither a NodeConfig nor settings, or where no place is found for the taint.
    """
    if any((have.key, have.effect) == (taint.key, taint.effect) for have in parse_user_data(b64).taints):
        return b64
    data, wrap = peel(_decode(b64))
    settings = _settings(data)
    new = nodeadm.with_taint(data, taint) if settings is None else bottlerocket.with_taint(settings, taint).encode()
    edited = wrap(new)
    if len(edited) > MAX_USER_DATA_BYTES:
        raise Invalid(f"user data with the startup taint has {len(edited)} bytes; EC2 takes {MAX_USER_DATA_BYTES}")
    return base64.b64encode(edited).decode()


def _settings(data: bytes) -> str | None:
    """The text of Bottlerocket's settings; None for anything else."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if bottlerocket.is_settings(text) else None


def _decode(b64: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", b64), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"user data is not base64: {error}") from error
