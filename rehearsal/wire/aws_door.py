"""The HTTP listener for AWS: boto3 in the functions, the engine's integrations, and anybody outside.

Signatures are not verified here: on loopback the access key alone tells the role. Host and Authorization are kept,
because moto finds the service by the credential scope and builds queue URLs from the host.
"""

from dataclasses import replace
from typing import Protocol

from rehearsal.wire.answers import Problem, aws_error
from rehearsal.wire.aws_call import AwsCall, read_call
from rehearsal.wire.door import Behind, Door, Named, Time
from rehearsal.wire.faults import Fault
from rehearsal.wire.judge import Judge, Principal
from rehearsal.wire.messages import Answer, Request
from rehearsal.wire.record import Record

NOT_FOUND = 404
HIDDEN_BY_S3 = {"GetObject", "HeadObject"}


class Principals(Protocol):
    """Who an access key was issued to."""

    def principal(self, access_key: str | None) -> Principal | None:
        """None for a key that the wire did not issue."""


class AwsDoor(Door):
    """Judges calls with our own credentials; others (sam, the observer, an admin) pass as `outside`."""

    def __init__(
        self, clock: Time, faults: list[Fault], record: Record, *, judge: Judge, keys: Principals, upstream: Behind
    ) -> None:
        super().__init__(clock, faults, record)
        self._judge = judge
        self._keys = keys
        self._upstream = upstream

    def name(self, request: Request) -> Named:
        """Service and operation from the request, caller by its access key."""
        call = read_call(request)
        who = self._keys.principal(call.access_key)
        if who is None:
            return Named("outside", None, call.service, call.operation, "")
        return Named(who.caller, who.role_arn, call.service, call.operation, "")

    def error(self, request: Request, what: Problem) -> Answer:
        """The problem in the protocol of the call's service."""
        return aws_error(read_call(request), what, request.method)

    def pass_on(self, request: Request, named: Named) -> tuple[Answer, bool, Named]:
        """Ask the role's policies, then forward."""
        call = read_call(request)
        who = self._keys.principal(call.access_key)
        if who is None:
            return self._upstream.send(request, streams=False), True, named
        judgement = self._judge.judge(who, call)
        named = replace(named, resource=judgement.resource, keys=judgement.keys)
        if judgement.refusal:
            return self.error(request, Problem("denied", judgement.refusal)), False, named
        answer = self._upstream.send(request, streams=False)
        hidden = self._hidden(who, call, answer)
        return (self.error(request, Problem("denied", hidden)), False, named) if hidden else (answer, True, named)

    def _hidden(self, who: Principal, call: AwsCall, answer: Answer) -> str | None:
        """S3 says 403 instead of 404 to whoever may not list the bucket (S3 API reference, GetObject, Permissions)."""
        if call.service != "s3" or answer.status != NOT_FOUND or call.operation not in HIDDEN_BY_S3:
            return None
        listing = replace(call, operation="ListObjectsV2", params={"Bucket": call.params["Bucket"]})
        return self._judge.judge(who, listing).refusal
