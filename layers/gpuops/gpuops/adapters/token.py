"""The bearer token that EKS takes: a presigned STS call, which the cluster's authenticator replays to learn who we are.

Minted per invocation and never logged: whoever holds it is us for fourteen minutes. Its shape is that of
`aws eks get-token` (awscli, customizations/eks/get_token.py): a GET to the region's own STS with the cluster's name
among the signed headers, valid 60 s for the signature, base64url without padding.
"""

import base64
from typing import Any

from botocore.model import ServiceId
from botocore.signers import RequestSigner

from gpuops.domain.errors import Unavailable

PREFIX = "k8s-aws-v1."
VALID_SECONDS = 60


def mint_token(session: Any, cluster: str, region: str) -> str:
    """Return a token for one cluster; `session` is a botocore Session.

    The address is always the region's STS, whatever AWS_ENDPOINT_URL says: the authenticator accepts no other.
    Raises: Unavailable without credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise Unavailable("no AWS credentials to sign a token for the cluster")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.{suffix}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", credentials, session.get_component("event_emitter"))
    url = signer.generate_presigned_url(request, region_name=region, expires_in=VALID_SECONDS, operation_name="")
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
