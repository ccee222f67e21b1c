"""Container images by name, and what their manifests and configurations say: the OCI's formats, read purely.

Sources: opencontainers/image-spec (image-index.md, manifest.md, config.md); distribution/reference for names without a
registry, which mean Docker Hub.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpuops.domain.errors import Invalid

HUB, HUB_HOST = "docker.io", "registry-1.docker.io"
INDEX = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFEST = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
"""As the OCI names them, after Go."""
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?", re.ASCII)
_REPOSITORY = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_ADDRESS = re.compile(r"[0-9.]+(:\d+)?", re.ASCII)


@dataclass(frozen=True)
class ImageRef:
    """One image in one registry."""

    host: str
    repository: str
    reference: str
    """A digest, or else a tag, which may mean another image tomorrow."""

    @property
    def digest(self) -> str | None:
        """The digest, where it is named by one."""
        return self.reference if _DIGEST.fullmatch(self.reference) else None


def parse_image(name: str) -> ImageRef:
    """Return what a pod's image means. Raises: Invalid for what no registry would take, and for bare addresses."""
    rest, _, digest = name.partition("@")
    first, slash, path = rest.partition("/")
    if not slash or not ({".", ":"} & set(first)):
        first, path = HUB, rest if slash else f"library/{rest}"
    repository, colon, tag = path.rpartition(":")
    if not colon:
        repository, tag = path, "latest"
    reference = digest or tag
    valid = _DIGEST.fullmatch(reference) if digest else _TAG.fullmatch(reference)
    if not valid or not is_name(first) or not _REPOSITORY.fullmatch(repository):
        raise Invalid(f"{name[:200]!r} names no image in a registry")
    return ImageRef(HUB_HOST if first == HUB else first, repository, reference)


def platform_manifest(document: Mapping[str, Any], architecture: str) -> str | None:
    """Return the digest of the architecture's manifest in an index; None for what is no index.

    Raises: Invalid where the index has none for it.
    """
    if document.get("mediaType") not in INDEX and "manifests" not in document:
        return None
    wanted = ARCHITECTURES[architecture]
    for entry in _listed(document.get("manifests")):
        platform = _object(entry.get("platform"))
        if (platform.get("os"), platform.get("architecture")) == ("linux", wanted):
            return _digest(entry)
    raise Invalid(f"the image has no manifest for linux/{wanted}")


def config_digest(manifest: Mapping[str, Any]) -> str:
    """Return the digest of an image's configuration. Raises: Invalid."""
    return _digest(_object(manifest.get("config")))


def environment_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that the image gives its containers. Raises: Invalid."""
    env = _object(config.get("config")).get("Env") or []
    if not isinstance(env, list):
        raise Invalid("the image's configuration has no list of variables")
    return {name: value for name, _, value in (str(item).partition("=") for item in env)}


def parse_document(body: bytes) -> dict[str, Any]:
    """Return a JSON object of a registry. Raises: Invalid."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the registry's answer is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise Invalid("the registry's answer is no JSON object")
    return document


def is_name(host: str) -> bool:
    """Return whether a host is named as in the public DNS, and is no bare address."""
    return bool(_HOST.fullmatch(host)) and not _ADDRESS.fullmatch(host)


def _object(value: Any) -> Mapping[str, Any]:
    """What should be an object; a registry may say anything, and what is none has nothing in it."""
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of what should be a list of them."""
    return (entry for entry in (value if isinstance(value, list) else ()) if isinstance(entry, dict))


def _digest(descriptor: Mapping[str, Any]) -> str:
    digest = str(descriptor.get("digest", ""))
    if not _DIGEST.fullmatch(digest):
        raise Invalid(f"{digest[:80]!r} is no sha256 digest")
    return digest
