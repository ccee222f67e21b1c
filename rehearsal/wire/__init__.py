"""One loopback proxy before the region and the apiserver: it records, judges and, when told to, fails calls."""

from rehearsal.wire.faults import Fault
from rehearsal.wire.gates import Gates
from rehearsal.wire.record import read_record
from rehearsal.wire.wire import OUTSIDE, Credentials, Wire

__all__ = ["OUTSIDE", "Credentials", "Fault", "Gates", "Wire", "read_record"]
