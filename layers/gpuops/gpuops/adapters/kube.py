"""The one connection to a cluster: raw JSON over the official client's transport, its failures in our five errors."""

import base64
import binascii
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import urllib3.exceptions
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject

from gpuops.adapters.aws import client, session, translated
from gpuops.adapters.kube_answers import MESSAGE_LENGTH, UNDECLARED, error_of, fields_of, translate
from gpuops.adapters.token import mint_token
from gpuops.domain.errors import Invalid, Unavailable

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
TIMEOUT_SECONDS = (5, 20)
PAGE = 500
MAX_BYTES = 32 << 20
"""A page of 500 nodes may have 25 MB; behind a proxy or in a log, anybody may write as much as they like."""
PATH = re.compile(r"(/[A-Za-z0-9_:-][A-Za-z0-9._:-]*)+")
"""Names in it come from outside: none may lead elsewhere (`..`), and `%` and `?` stand in no name that exists."""
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
Query = Sequence[tuple[str, str]]


def on_node(node: str, *more: str) -> Query:
    """Select what is on one node, and further by `field=value`.

    Raises: Invalid for what is no name of a node: a comma in it would be another condition.
    """
    if not NODE_NAME.fullmatch(node):
        raise Invalid(f"{node[:MESSAGE_LENGTH]!r} is no name of a node")
    return [("fieldSelector", ",".join((f"spec.nodeName={node}", *more)))]


class Kube:
    """Requests to one cluster. Raises: Unavailable, Refused, Conflict or Invalid, as the module's table says."""

    def __init__(self, server: str, ca_pem: str, token: str, *, page: int = PAGE) -> None:
        self._page = page
        self._server = server.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "gpuops"}
        configuration = Configuration(host=self._server)
        configuration.retries = False  # the state machine retries: it waits better, and shows it
        self._rest = RESTClientObject(configuration, maxsize=16)
        self._rest.pool_manager.connection_pool_kw["ssl_context"] = _trusting(ca_pem)

    @classmethod
    def connect(cls, cluster: str, eks: Any = None) -> Self:
        """Ask EKS where the cluster is, and sign a token for it.

        Raises: Invalid when EKS knows no such cluster or it has no endpoint yet.
        """
        eks = eks or client("eks")
        with translated(f"describe cluster {cluster}"):
            found = eks.describe_cluster(name=cluster)["cluster"]
        try:
            ca_pem = base64.b64decode(found["certificateAuthority"]["data"]).decode()
            server = str(found["endpoint"])
        except (KeyError, binascii.Error, UnicodeDecodeError) as error:
            raise Invalid(f"cluster {cluster} ({found.get('status')}) has no endpoint to talk to yet") from error
        return cls(server, ca_pem, mint_token(session(), cluster, str(eks.meta.region_name)))

    def get(self, path: str, query: Query = ()) -> Any:
        """Return one object or list, or None when there is none."""
        return self._json("GET", path, query, absent_ok=True)

    def get_all(self, path: str, query: Query = ()) -> Iterator[Any]:
        """Yield every item of a list, page by page."""
        token = ""
        while True:
            page = self._json(
                "GET", path, [*query, ("limit", str(self._page)), *([("continue", token)] if token else [])]
            )
            yield from page.get("items") or ()
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    def get_text(self, path: str, query: Query = (), most: int = MAX_BYTES) -> str:
        """Return a log or a pod's page, or nothing where there is none (404: no pod; 400: container never started).

        `most`: bytes of an answer that is not refused.
        """
        try:
            return self._send("GET", path, query, most=most).decode(errors="replace")
        except ApiException as error:
            if error.status in (400, 404):
                return ""
            raise translate(error, f"GET {path}") from error

    def post(self, path: str, body: Any) -> Any:
        """Create an object."""
        return self._json("POST", path, body=body)

    def patch(self, path: str, body: Any, *, content: str, manager: str) -> Any:
        """Change an object under a field manager, by server-side apply or merge patch."""
        return self._json("PATCH", path, [("fieldManager", manager)], body, content)

    def delete(self, path: str, query: Query = (), body: Any = None) -> None:
        """Remove an object; one that is not there is as good as removed."""
        self._json("DELETE", path, query, body, absent_ok=True)

    def apply(self, path: str, body: Any, query: Query) -> tuple[int, Mapping[str, Any]]:
        """Server-side apply where a refusal is an answer: the HTTP status, and the object or the Status object."""
        try:
            return 200, json.loads(self._send("PATCH", path, query, body, APPLY))
        except ApiException as error:
            fields = fields_of(error)
            if error_of(error.status) is not Unavailable or UNDECLARED in str(fields.get("message")):
                return int(error.status), fields
            raise translate(error, f"PATCH {path}") from error

    def status_of(self, path: str, body: Any) -> tuple[int, Mapping[str, Any]]:
        """POST where a refusal is an answer: the HTTP status and the Status object's fields."""
        try:
            self._send("POST", path, body=body)
        except ApiException as error:
            if error.status:
                return error.status, fields_of(error)
            raise translate(error, f"POST {path}") from error
        return 201, {}

    def _json(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Any = None,
        content: str = "application/json",
        *,
        absent_ok: bool = False,
    ) -> Any:
        try:
            return json.loads(self._send(method, path, query, body, content) or b"null")
        except ApiException as error:
            if error.status == 404 and absent_ok:  # noqa: PLR2004 - HTTP's own number
                return None
            raise translate(error, f"{method} {path}") from error

    def _send(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Any = None,
        content: str = "application/json",
        *,
        most: int = MAX_BYTES,
    ) -> bytes:
        if not PATH.fullmatch(path):
            raise Invalid(f"{path[:MESSAGE_LENGTH]!r} is no path of the apiserver: a name in it is none")
        try:
            response = self._rest.request(
                method,
                self._server + path,
                query_params=list(query),
                headers=self._headers | {"Content-Type": content},
                body=body,
                _preload_content=False,
                _request_timeout=TIMEOUT_SECONDS,
            )
            data = bytes(response.read(most + 1))
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{method} {path}: the cluster at {self._server} does not answer: {error}") from error
        if len(data) > most:
            response.close()
            raise Invalid(f"{method} {path}: the answer is longer than {most} bytes")
        response.release_conn()
        return data


def _trusting(ca_pem: str) -> ssl.SSLContext:
    """Trust the cluster's own authority only.

    Python 3.13 refuses an authority without key identifiers, which older EKS clusters have
    (kubernetes-client/python#2394): that check is lifted; chain, expiry and host name stay checked.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except ssl.SSLError as error:
        raise Invalid(f"the cluster's certificate authority is no certificate: {error}") from error
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
