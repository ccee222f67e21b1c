"""The wire's two listeners, which may outlive the wire behind them.

Whoever was told their addresses, such as a function's warm process, need not be told again.
"""

from rehearsal.wire.server import Handle, LoopbackServer
from rehearsal.wire.tls import make_authority


class Gates:
    """One address for AWS and one, with TLS, for the apiserver; while nobody stands behind, connections are cut."""

    def __init__(self) -> None:
        authority = make_authority()
        self.ca_pem = authority.ca_pem
        self._aws, self._kube = LoopbackServer(_nobody), LoopbackServer(_nobody, authority.context)
        self.aws_url = f"http://127.0.0.1:{self._aws.server_port}"
        self.kube_url = f"https://127.0.0.1:{self._kube.server_port}"

    def open(self, aws: Handle, kube: Handle) -> None:
        """Have calls answered by these, on the connections that are kept too."""
        self._aws.handle, self._kube.handle = aws, kube

    def shut(self) -> None:
        """Answer nobody."""
        self.open(_nobody, _nobody)

    def start(self) -> None:
        """Listen until `stop`."""
        for server in (self._aws, self._kube):
            server.start()

    def stop(self) -> None:
        """Close both listeners and every kept connection."""
        for server in (self._aws, self._kube):
            server.stop()


def _nobody(_request: object) -> None:
    """Cut the connection."""
