"""Find the NodeConfig documents inside user data and put an edited one back, every other byte untouched.

By offsets, because the standard library's email package reflows headers and line ends when it writes, and a launch
template must change only where the plan says. What counts as wrapped follows nodeadm: user data, and each part, may
be base64, gzip, or both (amazon-eks-ami, nodeadm/internal/configprovider/{mime,encoding}.go).
"""

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser

from gpuops.domain.errors import Invalid

MEDIA_TYPE = "application/node.eks.aws"
GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES = 1 << 20
"""EC2 takes 16 KiB of user data; a gzip stream that unpacks to a megabyte is no bootstrap configuration."""

Wrap = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Document:
    """One NodeConfig's text, and where it came from."""

    where: str
    text: str
    start: int
    end: int
    wrap: Wrap


def peel(data: bytes) -> tuple[bytes, Wrap]:
    """Undo base64, then gzip, where they are there; the second value puts them on again."""
    wraps: list[Wrap] = []
    try:
        plain = base64.b64decode(data.translate(None, b"\r\n"), validate=True)
        wraps.append(base64.b64encode)
    except binascii.Error:
        plain = data
    if plain.startswith(GZIP_MAGIC):
        plain = _gunzip(plain)
        wraps.insert(0, _gzip)
    return plain, lambda edited: _apply(wraps, edited)


def find_documents(data: bytes) -> list[Document]:
    """Every NodeConfig of peeled user data, in the order in which nodeadm merges them."""
    header = BytesHeaderParser().parsebytes(data)
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or not boundary:
        return [Document("user data", _text("user data", data), 0, len(data), bytes)]
    parts = list(_parts(data, boundary))
    found = [_document(data, part) for part in parts if part.media_type == MEDIA_TYPE]
    if not found:
        kinds = ", ".join(part.media_type for part in parts) or "none"
        raise Invalid(f"user data has no NodeConfig: none of its MIME parts is {MEDIA_TYPE} (parts: {kinds})")
    return found


def replace_document(data: bytes, document: Document, text: str) -> bytes:
    """The same user data with one document's text exchanged."""
    return data[: document.start] + document.wrap(text.encode()) + data[document.end :]


@dataclass(frozen=True)
class _Part:
    number: int
    media_type: str
    start: int
    end: int


def _parts(data: bytes, boundary: str) -> Iterator[_Part]:
    """Spans of the part bodies. The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1)."""
    name = re.escape(boundary.encode(errors="surrogateescape"))
    delimiter = re.compile(rb"(?:^|\r?\n)--" + name + rb"(--)?[ \t]*(?:\r?\n|$)")
    last, number, position = None, 0, 0
    while match := delimiter.search(data, position):
        if last is not None:
            number += 1
            yield _part(data, number, last, match.start())
        if match[1]:
            return
        last = match.end()
        position = last - 1  # the line end after one delimiter may open the next: an empty part
    if last is not None:
        raise Invalid(f"user data is a MIME archive cut off in part {number + 1}: its closing boundary is missing")


def _part(data: bytes, number: int, start: int, end: int) -> _Part:
    blank = re.compile(rb"(?:\A|\r?\n)\r?\n").search(data[start:end])
    body = start + blank.end() if blank else end
    header = BytesHeaderParser().parsebytes(data[start:body])
    return _Part(number, header.get_content_type(), body, max(body, end))


def _document(data: bytes, part: _Part) -> Document:
    where = f"user data part {part.number}"
    plain, wrap = peel(data[part.start : part.end])
    return Document(where, _text(where, plain), part.start, part.end, wrap)


def _text(where: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"{where} is not text: byte {error.start} is not UTF-8") from error


def _apply(wraps: list[Wrap], data: bytes) -> bytes:
    for wrap in wraps:
        data = wrap(data)
    return data


def _gzip(data: bytes) -> bytes:
    """Without a timestamp, so that the same edit gives the same launch template."""
    return gzip.compress(data, mtime=0)


def _gunzip(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise Invalid(f"user data begins like gzip, but does not unpack: {error}") from error
    if not stream.eof:
        raise Invalid(f"user data's gzip stream is cut off, or unpacks to more than {MAX_BYTES} bytes")
    return plain
