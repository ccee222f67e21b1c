"""One loopback proxy before the region and the apiserver: it records, judges and, when told to, fails calls."""

from rehearsal.wire.faults import Fault
from rehearsal.wire.wire import Credentials, Wire

__all__ = ["Credentials", "Fault", "Wire"]
