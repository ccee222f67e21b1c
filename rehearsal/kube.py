"""Raw access to the rehearsal's apiserver: JSON in, JSON out, and watches that continue where they broke off.

The official client turns every object into typed models, which costs more than all the rest of a watch event;
and its watch hides whether a list was taken anew, which a mirror of the cluster must know.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

Json: TypeAlias = dict[str, Any]
Patch: TypeAlias = Literal["merge", "strategic-merge", "json", "apply"]

FIELD_MANAGER: Final = "rehearsal"
WATCH_SECONDS: Final = 3000
GIVE_UP_SECONDS: Final = 10.0
"""Wall seconds that a watch keeps knocking at an apiserver that does not answer."""
OK: Final = 200
FAILED: Final = 300
NOT_FOUND: Final = 404
GONE: Final = 410


class KubeError(Exception):
    """The apiserver said no, or nothing; `status` is 0 when there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Change:
    """One step of a watch: a whole new list (`LISTED`), or one object ADDED, MODIFIED or DELETED."""

    kind: str
    object: Json


class KubeApi:
    """One caller's connection pool; `wrote` is told of each write that changed something (the clock's `dirty`)."""

    def __init__(
        self, server: str, ca_file: str, token: str, *, wrote: Callable[[], None] = lambda: None, connections: int = 8
    ) -> None:
        self.server = server
        self._wrote = wrote
        self._closed = Event()
        self._open: set[HTTPResponse] = set()
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": FIELD_MANAGER}
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file), maxsize=connections, retries=False)

    def get(self, path: str) -> Json:
        """Read one object.

        Raises: KubeError, with status 404 when there is none.
        """
        return self._call("GET", path)

    def find(self, path: str) -> Json | None:
        """Read one object; None when there is none."""
        try:
            return self.get(path)
        except KubeError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def list(self, path: str, **query: str) -> list[Json]:
        """Read every object under a collection's path; `query` such as fieldSelector or labelSelector."""
        items: list[Json] = self._call("GET", path + _query(query))["items"]
        return items

    def create(self, path: str, body: Json) -> Json:
        """Add an object to the collection."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: object, how: Patch = "merge", *, manager: str = FIELD_MANAGER) -> Json:
        """Change an object, or one of its subresources."""
        query = _query({"fieldManager": manager})
        return self._call("PATCH", path + query, body, content_type=f"application/{how}-patch+json")

    def apply(self, path: str, body: Json, *, manager: str = FIELD_MANAGER) -> Json:
        """Server-side apply, taking the fields over from whoever has them."""
        query = _query({"fieldManager": manager, "force": "true"})
        return self._call("PATCH", path + query, body, content_type="application/apply-patch+yaml")

    def delete(self, path: str, *, grace_seconds: int | None = None, uid: str | None = None) -> Json:
        """Delete an object, by `uid` only if it is still the one that was meant."""
        body: Json = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        return self._call("DELETE", path, {**body, **({"preconditions": {"uid": uid}} if uid else {})})

    def watch(self, path: str, **query: str) -> Iterator[Change]:
        """Yield the list, then each change, for ever: until `close`.

        A broken stream continues at the last resourceVersion; after 410 Gone the list is read and yielded again.
        Raises: KubeError when the apiserver has not answered for ten wall seconds.
        """
        version, failing_since = "", 0.0
        while not self._closed.is_set():
            try:
                if not version:
                    listing = self._call("GET", path + _query(query))
                    yield Change("LISTED", listing)
                    version = listing["metadata"]["resourceVersion"]
                for change in self._stream(path, {**query, "resourceVersion": version}):
                    version, failing_since = _version_after(change), 0.0
                    if version and change.kind != "BOOKMARK":
                        yield change
            except (KubeError, HTTPError) as error:
                version = "" if isinstance(error, KubeError) and error.status == GONE else version
                failing_since = failing_since or monotonic()
                self._pause_or_give_up(error, failing_since)

    def close(self) -> None:
        """End every watch, and so the threads that read them."""
        self._closed.set()
        for response in list(self._open):
            response.shutdown()

    def _pause_or_give_up(self, error: Exception, since: float) -> None:
        if not self._closed.wait(0.1) and monotonic() - since > GIVE_UP_SECONDS:
            raise KubeError(0, f"the watch broke: {error}") from error

    def _stream(self, path: str, query: dict[str, str]) -> Iterator[Change]:
        url = path + _query(
            {**query, "watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        )
        response = self._send("GET", url, preload_content=False)
        self._open.add(response)
        try:
            if self._closed.is_set():
                return
            if response.status != OK:
                raise KubeError(response.status, response.read(2000).decode(errors="replace"))
            rest = b""
            for chunk in response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    yield Change(event["type"], event["object"])
        finally:
            self._open.discard(response)
            response.close()

    def _call(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Json:
        data = None if body is None else json.dumps(body).encode()
        response = self._send(method, path, body=data, headers={**self._headers, "Content-Type": content_type})
        if response.status >= FAILED:
            raise KubeError(response.status, f"{method} {path}: {_message(response.data)}")
        if method != "GET":
            self._wrote()
        answer: Json = json.loads(response.data)
        return answer

    def _send(self, method: str, path: str, **options: Any) -> HTTPResponse:
        options.setdefault("headers", self._headers)
        try:
            response = self._pool.request(method, self.server + path, **options)
        except HTTPError as error:
            raise KubeError(0, f"{method} {path}: {error}") from error
        assert isinstance(response, HTTPResponse)  # noqa: S101 - only a pool that speaks HTTP/2 returns another kind
        return response


def _version_after(change: Change) -> str:
    """Where to continue after this change; empty when only a new list can help."""
    if change.kind == "ERROR":
        return ""
    version: str = change.object["metadata"]["resourceVersion"]
    return version


def _query(query: dict[str, str]) -> str:
    return f"?{urlencode(query)}" if query else ""


def _message(data: bytes) -> str:
    """The Status object's own words, when the answer is one."""
    text = data.decode(errors="replace")[:2000]
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
