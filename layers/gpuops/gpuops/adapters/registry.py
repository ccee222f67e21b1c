"""Reads the environment of container images out of their registries: manifest, configuration, nothing else.

A pod's image is a name that any user of the cluster chose, so what it leads to is held short: HTTPS with the public
authorities, names and no bare addresses, answers of bounded size and type whose digests are checked, one redirection,
which gets no credentials, and tokens that let nobody but us pull. Only the operator's own mirror may be on loopback.

Idempotent: it only reads. Raises, everywhere: Unavailable where asking again may help, Refused where the registry says
no, Invalid for what is not there or cannot be read.
"""

import hashlib
import os
import re
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from gpuops.adapters.asking import OK, UNAUTHORIZED, Headers, ask, error_of
from gpuops.adapters.aws import client, translated
from gpuops.domain.drivers.images import (
    INDEX,
    MANIFEST,
    ImageRef,
    config_digest,
    environment_of,
    is_name,
    parse_document,
    platform_manifest,
)
from gpuops.domain.errors import Invalid, Refused

MAX_BYTES = 4_194_304
"""What registries themselves take for a manifest (distribution/distribution)."""
TIMEOUT = urllib3.Timeout(connect=3, read=5)
REDIRECTS = (301, 302, 303, 307, 308)
LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost)(:\d+)?(/|$)", re.ASCII)
ACCEPT = ", ".join((*INDEX, *MANIFEST))
ECR = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?", re.ASCII)
_CHALLENGE = re.compile(r'(realm|service|scope)="([^"]{0,500})"', re.ASCII)


def ecr_login(region: str) -> str:
    """Return the Basic credentials for the account's registries of a region. Raises: what `adapters.aws` translates."""
    with translated(f"log in to ECR in {region}"):
        answer = client("ecr", region=region).get_authorization_token()
    return str(answer["authorizationData"][0]["authorizationToken"])


class Registry:
    """Registries by the names of images; `mirror` is the one URL that is asked instead of all of them, if given."""

    def __init__(self, mirror: str = "", login: Callable[[str], str] = ecr_login) -> None:
        if mirror and not (_public(mirror) or LOOPBACK.match(mirror)):
            raise Invalid(f"the registry mirror {mirror!r} is neither https with a name nor on loopback")
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=8)
        self._mirror, self._login = mirror.rstrip("/"), login

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the stack's mirror, if it has one."""
        return cls(os.environ.get("REGISTRY_MIRROR", ""))

    def environment(self, image: ImageRef, architecture: str) -> dict[str, str]:
        """Return the variables that the image gives its containers on this architecture."""
        session = self._session(image)
        manifest = session.document("manifests", image.reference, image.digest)
        if platform := platform_manifest(manifest, architecture):
            manifest = session.document("manifests", platform, platform)
        digest = config_digest(manifest)
        return environment_of(session.document("blobs", digest, digest))

    def _session(self, image: ImageRef) -> "_Session":
        return _Session(self._http, self._mirror, image, self._login)


class _Session:
    """The few requests that one image takes, under one authorization."""

    def __init__(self, http: urllib3.PoolManager, mirror: str, image: ImageRef, login: Callable[[str], str]) -> None:
        self._http, self._mirror, self._image, self._login = http, mirror, image, login
        self._authorization: str | None = None

    def document(self, kind: str, reference: str, digest: str | None) -> dict[str, Any]:
        """Return a document of the image; its digest, where it has one, must be right."""
        base = self._mirror or f"https://{self._image.host}"
        ours = f"?{urlencode({'ns': self._image.host})}" if self._mirror else ""
        body = self._get(f"{base}/v2/{self._image.repository}/{kind}/{reference}{ours}")
        if digest and f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            raise Invalid(f"{self._image.host}: what it gave for {digest} has another digest")
        return parse_document(body)

    def _get(self, url: str) -> bytes:
        """One answer, after a challenge and one redirection at most."""
        status, headers, body = self._ask(url, self._authorization)
        if status == UNAUTHORIZED and self._authorization is None:
            self._authorization = self._authorize(headers.get("WWW-Authenticate", ""))
            status, headers, body = self._ask(url, self._authorization)
        if status in REDIRECTS:
            status, headers, body = self._ask(urljoin(url, headers.get("Location", "")), None)
        if status == OK:
            return body
        raise error_of(status)(f"{self._image.host}: HTTP {status} for {self._image.repository}")

    def _authorize(self, challenge: str) -> str:
        """A token of the registry's own for whoever asks, or the account's for ECR."""
        found = ECR.fullmatch(self._image.host)
        if found and not self._mirror:
            return f"Basic {self._login(found[2])}"
        asked = dict(_CHALLENGE.findall(challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in asked:
            raise Refused(f"{self._image.host} asks for credentials that gpuops does not have")
        scope = {"service": asked.get("service", ""), "scope": f"repository:{self._image.repository}:pull"}
        status, _, body = self._ask(f"{asked['realm']}?{urlencode(scope)}", None)
        if status != OK:
            raise error_of(status)(f"{self._image.host}: HTTP {status} for a token to pull {self._image.repository}")
        given = parse_document(body)
        return f"Bearer {given.get('token') or given.get('access_token') or ''}"

    def _ask(self, url: str, authorization: str | None) -> tuple[int, Headers, bytes]:
        """One request, held short: see the module's docstring."""
        if not _public(url) and not (self._mirror and url.startswith(f"{self._mirror}/")):
            raise Refused(f"{self._image.host} leads to {url[:100]!r}, which is no public https address")
        headers = {"Accept": ACCEPT, "User-Agent": "gpuops"} | (
            {"Authorization": authorization} if authorization else {}
        )
        return ask(self._http, "GET", url, headers, whom=self._image.host, most=MAX_BYTES)


def _public(url: str) -> bool:
    """Whether it is https to a name: an address proves nothing about who answers."""
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.hostname) and is_name(parts.hostname or "")
