"""The error answers of AWS, one form per protocol, so that boto3 raises what it would raise on AWS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from rehearsal.wire.aws_call import AwsCall
from rehearsal.wire.messages import Answer

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
BY_SERVICE: Mapping[str, Mapping[str, tuple[int, str]]] = {
    # kind: service -> (status, code). `*` is what most services answer.
    "denied": {
        "*": (400, "AccessDeniedException"),
        "autoscaling": (403, "AccessDenied"),
        "cloudformation": (403, "AccessDenied"),
        "cloudwatch": (403, "AccessDenied"),
        "ec2": (403, "UnauthorizedOperation"),
        "eks": (403, "AccessDeniedException"),
        "lambda": (403, "AccessDeniedException"),
        "s3": (403, "AccessDenied"),
        "scheduler": (403, "AccessDeniedException"),
        "sns": (403, "AuthorizationError"),
        "sqs": (403, "AccessDenied"),
        "sts": (403, "AccessDenied"),
    },
    "throttle": {
        "*": (400, "ThrottlingException"),
        "autoscaling": (400, "Throttling"),
        "ec2": (503, "RequestLimitExceeded"),
        "eks": (429, "ThrottlingException"),
        "lambda": (429, "TooManyRequestsException"),
        "s3": (503, "SlowDown"),
        "sns": (400, "Throttling"),
    },
    "broken": {
        "*": (500, "InternalServerError"),
        "autoscaling": (500, "InternalFailure"),
        "ec2": (500, "InternalError"),
        "eks": (500, "ServerException"),
        "lambda": (500, "ServiceException"),
        "s3": (500, "InternalError"),
        "sns": (500, "InternalError"),
    },
}
TEXTS = {"throttle": "Rate exceeded", "broken": "An internal error occurred"}


@dataclass(frozen=True)
class Problem:
    """What went wrong: denied, throttle or broken, and AWS's text for it."""

    kind: str
    text: str


def problem(kind: str, text: str = "") -> Problem:
    """A problem, with the usual text of its kind."""
    return Problem(kind, text or TEXTS[kind])


def aws_error(call: AwsCall, what: Problem, method: str = "POST") -> Answer:
    """The problem as this call's service would put it."""
    codes = BY_SERVICE[what.kind]
    status, code = codes.get(call.service, codes["*"])
    text = what.text
    if call.service == "ec2" and what.kind == "denied":
        text = f"You are not authorized to perform this operation. {text}"
    if call.protocol in {"json", "rest-json"}:
        return _json(status, code, text)
    if call.protocol == "cbor":
        return _cbor(status, code, text)
    body = _xml(call.protocol, code, text)
    return Answer(status, [("Content-Type", "text/xml")], b"" if method == "HEAD" else body.encode())


def _json(status: int, code: str, text: str) -> Answer:
    body = json.dumps({"__type": code, "message": text, "Message": text}).encode()
    about = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)]
    return Answer(status, [*about, ("x-amzn-RequestId", REQUEST_ID)], body)


def _cbor(status: int, code: str, text: str) -> Answer:
    """Two text entries, by hand (RFC 8949): major type 3 for text, a map of two."""
    parts = [b"\xa2"]
    for word in ("__type", code, "message", text):
        raw = word.encode()
        parts.append(b"\x79" + len(raw).to_bytes(2, "big") + raw)
    return Answer(status, [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")], b"".join(parts))


def _xml(protocol: str, code: str, text: str) -> str:
    error = f"<Code>{code}</Code><Message>{escape(text)}</Message>"
    if protocol == "rest-xml":
        return f"<?xml version='1.0' encoding='UTF-8'?><Error>{error}<RequestId>{REQUEST_ID}</RequestId></Error>"
    if protocol == "ec2":
        return f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
    return (
        f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )


KUBE_PROBLEMS = {"denied": (403, "Forbidden"), "throttle": (429, "TooManyRequests"), "broken": (500, "InternalError")}


def kube_error(what: Problem) -> Answer:
    """The problem as the apiserver would put it: a Status object."""
    code, reason = KUBE_PROBLEMS[what.kind]
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body = json.dumps({**status, "message": what.text, "reason": reason, "code": code}).encode()
    headers = [("Content-Type", "application/json")]
    return Answer(code, [*headers, ("Retry-After", "1")] if what.kind == "throttle" else headers, body)
