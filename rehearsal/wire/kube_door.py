"""The TLS listener for the apiserver: it names, records and strikes calls; the real apiserver's RBAC judges them."""

import json
from urllib.parse import parse_qs, urlsplit

from rehearsal.wire.answers import Problem, kube_error
from rehearsal.wire.aws_door import Principals
from rehearsal.wire.door import Door, Named, Time, Upstream
from rehearsal.wire.faults import Fault
from rehearsal.wire.messages import Answer, Request
from rehearsal.wire.record import Record
from rehearsal.wire.tokens import read_token

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
REFUSED = {401, 403}


class KubeDoor(Door):
    """Bearer tokens are kept and go to the apiserver's own webhook; the caller is read from them, unproved."""

    def __init__(
        self, clock: Time, faults: list[Fault], record: Record, *, keys: Principals, upstream: Upstream
    ) -> None:
        super().__init__(clock, faults, record)
        self._keys = keys
        self._upstream = upstream

    def name(self, request: Request) -> Named:
        """Verb and resource as RBAC names them; caller by the access key inside the token."""
        path, _, query = request.target.partition("?")
        path += "?dryRun=All" if "All" in parse_qs(query).get("dryRun", ()) else ""  # such a call changes nothing
        presigned = read_token((request.header("authorization") or "").removeprefix("Bearer "))
        who = self._keys.principal(presigned.access_key) if presigned else None
        action = kube_action(request.method, request.target)
        return Named(who.caller if who else "outside", who.role_arn if who else None, "kube", action, path)

    def error(self, request: Request, what: Problem) -> Answer:
        """A Status object."""
        del request
        return kube_error(what)

    def pass_on(self, request: Request, named: Named) -> tuple[Answer, bool, Named]:
        """Forward; a write also tells the clock that the world moved, before its caller learns of it."""
        if request.header("upgrade"):
            text = json.dumps({"kind": "Status", "code": 501, "message": "the wire passes no upgraded connections"})
            return Answer(501, [("Content-Type", "application/json")], text.encode()), True, named
        answer = self._upstream.send(request, streams=_streams(request))
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            self._clock.dirty()
        return answer, answer.status not in REFUSED, named


def _streams(request: Request) -> bool:
    query = parse_qs(urlsplit(request.target).query)
    return any(query.get(name, ["0"])[0] in {"1", "true"} for name in ("watch", "follow"))


def kube_action(method: str, target: str) -> str:
    """`create pods/eviction`, `patch nodes`, `watch pods`; the path itself for what is no resource."""
    split = urlsplit(target)
    parts = [p for p in split.path.split("/") if p]
    group_parts = {"api": 2, "apis": 3}.get(parts[0] if parts else "", 0)
    rest = parts[group_parts:]
    if not group_parts or not rest:
        return f"{method.lower()} {split.path}"
    if rest[0] == "namespaces" and len(rest) > 2:  # noqa: PLR2004 - namespaces/NAME/RESOURCE
        rest = rest[2:]
    one = len(rest) > 1
    resource = f"{rest[0]}/{rest[2]}" if len(rest) > 2 else rest[0]  # noqa: PLR2004 - RESOURCE/NAME/SUBRESOURCE
    return f"{_verb(method, target, one=one)} {resource}"


def _verb(method: str, target: str, *, one: bool) -> str:
    if method in VERBS:
        return VERBS[method]
    if method == "DELETE":
        return "delete" if one else "deletecollection"
    if "watch" in parse_qs(urlsplit(target).query):
        return "watch"
    return "get" if one else "list"
