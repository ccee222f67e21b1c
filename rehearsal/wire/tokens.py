"""Checks an EKS token as EKS's authenticator does: a presigned STS call whose signature covers the cluster's name.

The value of `x-k8s-aws-id` is not in the token: the authenticator adds its own cluster's name and STS verifies the
signature over it. So the signature is computed again here, with the secret that the wire handed out; a token for
another cluster, or from unknown credentials, does not verify.
Shape and limits: kubernetes-sigs/aws-iam-authenticator, pkg/token (expiry at most 900 s, 15 minutes after its date
whatever X-Amz-Expires says). Functions sign with their real clock, so the date is compared with the real clock too.
"""

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

PREFIX = "k8s-aws-v1."
LIFETIME_SECONDS = 15 * 60
MAX_EXPIRES_SECONDS = 900
ALLOWED = {
    "action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires",
    "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders",
}  # fmt: skip


@dataclass(frozen=True)
class Presigned:
    """A token taken apart; nothing in it is proved yet."""

    url: str
    host: str
    query: dict[str, str]
    access_key: str
    scope: tuple[str, str, str]
    """Date, region, service."""


def read_token(token: str) -> Presigned | None:
    """The presigned call inside a token, None when it is none."""
    if not token.startswith(PREFIX):
        return None
    raw = token.removeprefix(PREFIX)
    try:
        url = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).decode()
        split = urlsplit(url)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    parts = query.get("X-Amz-Credential", "").split("/")
    if len(parts) != len(("key", "date", "region", "service", "aws4_request")):
        return None
    return Presigned(url, split.netloc, query, parts[0], (parts[1], parts[2], parts[3]))


def holds(call: Presigned, cluster: str, secret: str) -> bool:
    """Is it a fresh call of GetCallerIdentity, for this cluster, signed with this secret?"""
    return (
        _well_formed(call) and _fresh(call.query) and hmac.compare_digest(
            _signature(call, cluster, secret), call.query.get("X-Amz-Signature", "")
        )
    )  # fmt: skip


def _well_formed(call: Presigned) -> bool:
    split = urlsplit(call.url)
    hosts = {"sts.amazonaws.com", f"sts.{call.scope[1]}.amazonaws.com"}
    return (
        split.scheme == "https"
        and call.host in hosts
        and split.path == "/"
        and call.scope[2] == "sts"
        and call.query.get("Action") == "GetCallerIdentity"
        and {k.lower() for k in call.query} <= ALLOWED
        and "x-k8s-aws-id" in call.query.get("X-Amz-SignedHeaders", "").split(";")
    )


def _fresh(query: dict[str, str]) -> bool:
    try:
        expires = int(query.get("X-Amz-Expires", ""))
        signed = datetime.strptime(query.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    real_now = time.time()  # noqa: TID251 - a function process signs with its real clock
    return 0 < expires <= MAX_EXPIRES_SECONDS and abs(real_now - signed) <= LIFETIME_SECONDS


def _signature(call: Presigned, cluster: str, secret: str) -> str:
    """Signature Version 4 of the presigned call, the cluster's name as the value of x-k8s-aws-id."""
    values = {"host": call.host, "x-k8s-aws-id": cluster}
    names = call.query["X-Amz-SignedHeaders"].split(";")
    headers = "".join(f"{n}:{values.get(n, '')}\n" for n in names)
    unsigned = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in call.query.items())
    query = "&".join(f"{k}={v}" for k, v in unsigned if k != "X-Amz-Signature")
    canonical = f"GET\n/\n{query}\n{headers}\n{';'.join(names)}\n{_sha('')}"
    scope = "/".join((*call.scope, "aws4_request"))
    text = f"AWS4-HMAC-SHA256\n{call.query['X-Amz-Date']}\n{scope}\n{_sha(canonical)}"
    key = f"AWS4{secret}".encode()
    for part in (*call.scope, "aws4_request"):
        key = _mac(key, part)
    return _mac(key, text).hex()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
