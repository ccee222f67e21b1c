"""Container images by name, their documents, and a registry on loopback that plays every answer one may get.

Covered: names with and without registry, tag and digest; names that are none; index, manifest, configuration; anonymous
tokens, ECR's login, wrong digests, redirections, sizes, silence, refusals, what may not be asked at all; the mirror.
"""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from gpuops.adapters.registry import MAX_BYTES, Registry
from gpuops.domain.drivers.images import INDEX, MANIFEST, ImageRef, parse_image
from gpuops.domain.errors import Invalid, Refused, Unavailable
from tests.fakes.serving import serving

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("nvcr.io/nvidia/cuda:12.8.1-base-ubuntu24.04", ImageRef("nvcr.io", "nvidia/cuda", "12.8.1-base-ubuntu24.04")),
        ("vllm/vllm-openai", ImageRef("registry-1.docker.io", "vllm/vllm-openai", "latest")),
        ("ubuntu:24.04", ImageRef("registry-1.docker.io", "library/ubuntu", "24.04")),
        ("docker.io/library/ubuntu", ImageRef("registry-1.docker.io", "library/ubuntu", "latest")),
        (f"registry.example:5000/a/b:1@{DIGEST}", ImageRef("registry.example:5000", "a/b", DIGEST)),
        (f"registry.example/a@{DIGEST}", ImageRef("registry.example", "a", DIGEST)),
    ],
)
def test_an_image_is_named_as_kubelet_understands_it(name: str, image: ImageRef) -> None:
    """Without a registry it is Docker Hub's; a digest goes before a tag."""
    assert parse_image(name) == image
    assert image.digest == (DIGEST if "@" in name else None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "UPPER/x",
        "10.0.0.1/x",
        "169.254.169.254:80/latest/meta-data",
        "localhost:9001/2018-06-01/runtime",
        "registry.example/../x",
        "registry.example/x?y=1",
        "registry.example/x@sha256:123",
        "user:word@registry.example/x",
        "registry.example/x:a b",
    ],
)
def test_what_names_no_image_in_a_registry_is_never_asked_for(name: str) -> None:
    """Bare addresses among them: they prove nothing about who answers, and lead into our own network."""
    with pytest.raises(Invalid, match="names no image"):
        parse_image(name)


def digest_of(body: bytes) -> str:
    """Return a document's digest."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def blob(document: Any) -> bytes:
    """Return a document as a registry keeps it."""
    return json.dumps(document).encode()


class Shelf:
    """A registry's content, how it answers, and what it was asked."""

    def __init__(self) -> None:
        self.config = blob({"config": {"Env": ["PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=12.8 driver>=1", "EMPTY"]}})
        self.manifest = blob({"mediaType": MANIFEST[0], "config": {"digest": digest_of(self.config)}})
        amd = {"digest": digest_of(self.manifest), "platform": {"os": "linux", "architecture": "amd64"}}
        other = {"digest": DIGEST, "platform": {"os": "windows", "architecture": "amd64"}}
        self.index = blob({"mediaType": INDEX[0], "manifests": [other, amd]})
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.put("manifests/1", self.index)
        self.put(f"manifests/{digest_of(self.index)}", self.index)
        self.put(f"manifests/{digest_of(self.manifest)}", self.manifest)
        self.put(f"blobs/{digest_of(self.config)}", self.config)

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer this path of the repository so."""
        self.answers[f"/v2/chat/{path}"] = (status, headers, body)


@pytest.fixture
def shelf() -> Shelf:
    """One image for linux/amd64 under the tag 1."""
    return Shelf()


@pytest.fixture
def url(shelf: Shelf) -> Iterator[str]:
    """The registry, on loopback; what is private there takes a token."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            shelf.asked.append((self.path, self.headers.get("Authorization")))
            status, headers, body = shelf.answers.get(path, (404, {}, b"{}"))
            if "challenge" in headers and self.headers.get("Authorization") != "Bearer t":
                status, headers, body = 401, {"WWW-Authenticate": headers["challenge"]}, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the base class's name
            pass

    with serving(Handler) as url:
        yield url


IMAGE = ImageRef("registry.example", "chat", "1")
ENV = {"PATH": "/bin", "NVIDIA_REQUIRE_CUDA": "cuda>=12.8 driver>=1", "EMPTY": ""}


def test_an_image_of_many_platforms_is_read_for_the_groups_own(shelf: Shelf, url: str) -> None:
    """Index, manifest, configuration: three requests, each saying whose registry the mirror stands for."""
    assert Registry(url).environment(IMAGE, "x86_64") == ENV
    assert [path.endswith("?ns=registry.example") for path, _ in shelf.asked] == [True] * 3
    with pytest.raises(Invalid, match="no manifest for linux/arm64"):
        Registry(url).environment(IMAGE, "arm64")


def test_an_image_is_read_by_its_digest_and_the_digest_is_checked(shelf: Shelf, url: str) -> None:
    """A registry that gives something else for it is not believed."""
    by_digest = ImageRef(IMAGE.host, IMAGE.repository, digest_of(shelf.index))
    assert Registry(url).environment(by_digest, "x86_64") == ENV

    shelf.put(f"blobs/{digest_of(shelf.config)}", blob({"config": {"Env": []}}))
    with pytest.raises(Invalid, match="has another digest"):
        Registry(url).environment(by_digest, "x86_64")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<html>", "is no JSON:"),
        (b"[]", "no JSON object"),
        (blob({"config": {"digest": "../../x"}}), "is no sha256 digest"),
        (b" " * (MAX_BYTES + 1), "an answer of more than"),
    ],
)
def test_an_answer_that_is_none_is_refused(shelf: Shelf, url: str, body: bytes, complaint: str) -> None:
    """However a registry puts it."""
    shelf.put("manifests/1", body)

    with pytest.raises(Invalid, match=complaint):
        Registry(url).environment(IMAGE, "x86_64")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, Invalid), (400, Invalid), (403, Refused), (429, Unavailable), (500, Unavailable), (503, Unavailable)],
)
def test_what_a_registry_answers_becomes_one_of_our_errors(
    shelf: Shelf, url: str, status: int, error: type[Exception]
) -> None:
    """With whose answer it was."""
    shelf.put("manifests/1", b"{}", status)

    with pytest.raises(error, match=f"registry.example: HTTP {status} for chat"):
        Registry(url).environment(IMAGE, "x86_64")


def test_silence_is_unavailable() -> None:
    """Nothing listens there."""
    with pytest.raises(Unavailable, match=r"registry\.example does not answer"):
        Registry("http://127.0.0.1:9").environment(IMAGE, "x86_64")


def test_a_token_for_anybody_is_fetched_once_and_asks_for_this_repository_alone(shelf: Shelf, url: str) -> None:
    """Whatever scope the challenge names."""
    challenge = f'Bearer realm="{url}/token",service="r",scope="repository:*:delete"'
    for path, (status, _, body) in list(shelf.answers.items()):
        shelf.answers[path] = (status, {"challenge": challenge}, body)
    shelf.answers["/token"] = (200, {}, blob({"token": "t"}))

    assert Registry(url).environment(IMAGE, "x86_64") == ENV
    tokens = [path for path, _ in shelf.asked if path.startswith("/token")]
    assert tokens == ["/token?service=r&scope=repository%3Achat%3Apull"]


@pytest.mark.parametrize("challenge", ["", "Basic realm=x", "Bearer service=x"])
def test_a_registry_that_wants_a_password_is_refused(shelf: Shelf, url: str, challenge: str) -> None:
    """Gpuops has none, and takes none from the cluster's secrets."""
    shelf.put("manifests/1", b"", challenge=challenge)

    with pytest.raises(Refused, match="asks for credentials that gpuops does not have"):
        Registry(url).environment(IMAGE, "x86_64")


def test_a_blob_may_lie_elsewhere_and_no_credentials_go_there(shelf: Shelf, url: str) -> None:
    """One redirection; a second one is an answer that nobody understands."""
    digest = digest_of(shelf.config)
    shelf.put(f"blobs/{digest}", b"", 307, Location="/elsewhere")
    shelf.answers["/elsewhere"] = (200, {}, shelf.config)
    assert Registry(url).environment(IMAGE, "x86_64") == ENV
    assert shelf.asked[-1] == ("/elsewhere", None)

    shelf.answers["/elsewhere"] = (307, {"Location": "/again"}, b"")
    with pytest.raises(Invalid, match="HTTP 307"):
        Registry(url).environment(IMAGE, "x86_64")


@pytest.mark.parametrize(
    "location",
    ["http://registry.example/x", "https://169.254.169.254/latest", "https://localhost/x", "http://127.0.0.1:9001/x"],
)
def test_a_redirection_into_our_own_network_is_not_followed(shelf: Shelf, url: str, location: str) -> None:
    """Nor one out of TLS."""
    shelf.put("manifests/1", b"", 302, Location=location)

    with pytest.raises(Refused, match="no public https address"):
        Registry(url).environment(IMAGE, "x86_64")


@pytest.mark.parametrize(
    ("host", "regions"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ["eu-west-1"]),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", []),
        ("ecr.eu-west-1.amazonaws.com", []),
    ],
)
def test_ecr_gets_the_accounts_own_login_and_only_ecr_does(host: str, regions: list[str]) -> None:
    """The region is in the registry's name; a name that only looks like one gets nothing."""
    asked: list[str] = []

    def login(region: str) -> str:
        asked.append(region)
        return "c2VjcmV0"

    session = Registry(login=login)._session(ImageRef(host, "chat", "1"))
    if regions:
        assert session._authorize("Basic realm=x") == "Basic c2VjcmV0"
    else:
        with pytest.raises(Refused):
            session._authorize("Basic realm=x")
    assert asked == regions


@pytest.mark.parametrize("mirror", ["http://registry.example", "https://10.0.0.1", "ftp://127.0.0.1"])
def test_a_mirror_is_https_or_on_loopback(mirror: str) -> None:
    """It is the operator's own, but a slip of his must not undo the rest."""
    with pytest.raises(Invalid, match="registry mirror"):
        Registry(mirror)
