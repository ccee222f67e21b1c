"""Puts the two doors, the credentials and the record together.

Function processes and the engine get the wire's two addresses instead of the region's and the apiserver's; they
cannot tell. Everything is loopback and in this process.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal.wire.aws_call import AwsCall
from rehearsal.wire.aws_door import AwsDoor
from rehearsal.wire.door import Time, Upstream
from rehearsal.wire.faults import Fault
from rehearsal.wire.gates import Gates
from rehearsal.wire.inside import Inside
from rehearsal.wire.judge import Judge, Principal
from rehearsal.wire.kube_door import KubeDoor
from rehearsal.wire.lookup import Lookup, RegionLookup
from rehearsal.wire.policy import Ask
from rehearsal.wire.record import Line, Record
from rehearsal.wire.tokens import holds, read_token

if TYPE_CHECKING:
    from rehearsal.region.wsgi import Answering

OUTSIDE = "outside"
"""Access key and secret of the person outside, as `make local` tells them: whoever made the cluster."""


@dataclass(frozen=True)
class Credentials:
    """What a function's environment gets. Made up: they open nothing but this wire."""

    access_key: str
    secret_key: str


class Keys:
    """Every credential handed out. The same role and caller get the same keys, so two runs record the same."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[Principal, str]] = {}

    def issue(self, principal: Principal) -> Credentials:
        """Keys for a role under a session name."""
        seed = hashlib.sha256(f"{principal.role_arn}/{principal.caller}".encode()).digest()
        key = "ASIA" + base64.b32encode(seed).decode()[:16]
        secret = hashlib.sha256(seed).hexdigest()[:40]
        self._issued[key] = (principal, secret)
        return Credentials(key, secret)

    def principal(self, access_key: str | None) -> Principal | None:
        """Who a key was issued to."""
        found = self._issued.get(access_key or "")
        return found[0] if found else None

    def secret(self, access_key: str) -> str | None:
        """The secret of a key."""
        found = self._issued.get(access_key)
        return found[1] if found else None


class Wire:
    """The loopback proxy. `faults` is a plain list: append rules to it at any time."""

    def __init__(
        self,
        clock: Time,
        region_url: str,
        kube_server: str,
        kube_ca_file: str | Path,
        *,
        policies: Callable[[str], Sequence[Mapping[str, Any]]],
        record: Path,
        cluster: str,
        lookup: Lookup | None = None,
        gates: Gates | None = None,
        region: "Answering | None" = None,
    ) -> None:
        """`gates` that are given stand open already, and stay so when the wire stops.

        A `region` of this process is asked there, without a second socket: its url is for whoever looks something up.
        """
        self.faults = list[Fault]()
        self._clock, self._cluster, self._keys = clock, cluster, Keys()
        self._record = Record(record)
        self._judge = Judge(policies, lookup or RegionLookup(region_url))
        aws = Inside(region) if region else Upstream(region_url)
        self._aws, self._kube = aws, Upstream(kube_server, str(kube_ca_file))
        self._doors = self._aws_door(), self._kube_door()
        self._gates, self._owns_gates = gates or Gates(), gates is None
        self.ca_pem, self.aws_url, self.kube_url = self._gates.ca_pem, self._gates.aws_url, self._gates.kube_url

    def _aws_door(self) -> AwsDoor:
        return AwsDoor(self._clock, self.faults, self._record, judge=self._judge, keys=self._keys, upstream=self._aws)

    def _kube_door(self) -> KubeDoor:
        return KubeDoor(self._clock, self.faults, self._record, keys=self._keys, upstream=self._kube)

    def start(self) -> None:
        """Answer at both gates."""
        self._gates.open(*(door.handle for door in self._doors))
        if self._owns_gates:
            self._gates.start()

    def stop(self) -> None:
        """Close everything; the record stays on disk."""
        self._gates.shut()
        if self._owns_gates:
            self._gates.stop()
        self._aws.close()
        self._kube.close()
        self._record.close()

    def ends(self, interrupt: Callable[[str, str], object]) -> None:
        """Who ends a function in the middle of its call, told its name and how."""
        for door in self._doors:
            door.interrupt = interrupt

    def credentials(self, role_arn: str, caller: str) -> Credentials:
        """Credentials of a role for one caller: a function, a state machine."""
        return self._keys.issue(Principal(role_arn, caller))

    def grants_used(self) -> Mapping[str, Collection[str]]:
        """Role ARN -> what its calls have made use of so far, as its policies word it."""
        return self._judge.used

    def refusal(self, role_arn: str, action: str, resource: str) -> str | None:
        """What IAM says against a right that no call asks for, as Step Functions does of a machine's role; or None."""
        return self._judge.ask(Principal(role_arn, "aws"), Ask(action, resource))

    def role_of(self, access_key: str) -> str | None:
        """Role ARN behind an access key, None for a key from outside."""
        who = self._keys.principal(access_key)
        return who.role_arn if who else None

    def caller_of(self, access_key: str) -> str | None:
        """Caller behind an access key, None for a key from outside."""
        who = self._keys.principal(access_key)
        return who.caller if who else None

    def identify(self, token: str) -> str | None:
        """Role ARN behind an EKS token, or OUTSIDE; None where EKS would not authenticate it: for the token webhook."""
        presigned = read_token(token)
        if presigned is None:
            return None
        key = presigned.access_key
        secret = OUTSIDE if key == OUTSIDE else self._keys.secret(key)
        if secret is None or not holds(presigned, self._cluster, secret):
            return None
        return OUTSIDE if key == OUTSIDE else self.role_of(key)

    def authorize(
        self, role_arn: str, caller: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> str | None:
        """Judge and record a call made inside this process, without HTTP; the text of AWS's refusal, or None."""
        began = time.monotonic()
        judgement = self._judge.judge(Principal(role_arn, caller), AwsCall(None, service, operation, "json", params))
        allowed = judgement.refusal is None
        self._record.write(
            Line(
                at=round(self._clock.now(), 3), caller=caller, role=role_arn, service=service, action=operation,
                resource=judgement.resource, status=200 if allowed else 403, allowed=allowed,
                wall_ms=round((time.monotonic() - began) * 1000, 1),
            )
        )  # fmt: skip
        return judgement.refusal
