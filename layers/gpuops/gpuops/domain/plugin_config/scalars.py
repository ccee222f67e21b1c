"""What goyaml v2 makes of one scalar: the YAML 1.1 of Go programs, which is neither PyYAML's nor YAML 1.2.

`yes` and `y` are booleans, 010 is eight, 08 is the float 8, 1_0 is ten, 4e0 is a float: each of them decides whether
the device plugin takes a file (go.yaml.in/yaml/v2, resolve.go; the plugin reads through sigs.k8s.io/yaml).
"""

import base64
import binascii
import re
from collections.abc import Mapping

Scalar = str | int | float | bool | None

LONG = "tag:yaml.org,2002:"
STR, INT, FLOAT, BOOL, NULL, MERGE = (f"{LONG}{name}" for name in ("str", "int", "float", "bool", "null", "merge"))
BINARY, TIMESTAMP = f"{LONG}binary", f"{LONG}timestamp"
RESOLVED = {"", STR, INT, FLOAT, BOOL, NULL, TIMESTAMP}

MAX_INT, MAX_UINT = 2**63 - 1, 2**64 - 1


def _cased(*words: str) -> set[str]:
    return {form for word in words for form in (word, word.capitalize(), word.upper())}


WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(_cased("y", "yes", "true", "on"), True),
    **dict.fromkeys(_cased("n", "no", "false", "off"), False),
    **dict.fromkeys({"", "~", *_cased("null")}),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((sign + form for sign in ("", "+") for form in (".inf", ".Inf", ".INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
FIRST = "+-0123456789yYnNtTfFoO~."
"""Characters that what is not a string begins with."""

_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]+)?")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?)?")
_BASES = {"x": 16, "o": 8, "b": 2}


def resolve(tag: str, text: str) -> Scalar:
    """Return the value of a plain or tagged scalar.

    Raises: ValueError for a tag that its text does not fit.
    """
    if tag == BINARY:
        return _binary(text)
    if tag not in RESOLVED or tag == STR:
        return text
    found, value = _guess(text)
    if tag == FLOAT and found == INT:
        return float(value or 0)
    if tag not in {"", found}:
        raise ValueError(f"cannot decode {text!r} as !!{tag.removeprefix(LONG)}")
    return value


def _guess(text: str) -> tuple[str, Scalar]:
    """Return the tag that the text alone suggests, and its value."""
    if text in WORDS:
        value = WORDS[text]
        return (NULL if value is None else BOOL if isinstance(value, bool) else FLOAT), value
    if text[0] not in FIRST:
        return STR, text
    if _TIMESTAMP.fullmatch(text):
        return TIMESTAMP, text
    plain = text if text[0] == "." else text.replace("_", "")
    whole = _whole(plain) if text[0] in "+-0123456789" else None
    if whole is not None:
        return INT, whole
    if _FLOAT.fullmatch(plain) and abs(value := float(plain)) != float("inf"):
        return FLOAT, value
    return STR, text


def _whole(plain: str) -> int | None:
    """Return a number that fits Go's int64 or uint64."""
    match = _INTEGER.fullmatch(plain)
    if match is None:
        return None
    sign, digits = match.groups()
    prefix = digits[1:2].lower()
    base = _BASES.get(prefix, 8 if digits[0] == "0" else 10)
    value = int(digits[2:] if prefix in _BASES else digits, base)
    if sign == "-":
        return -value if value <= MAX_INT + 1 else None
    return value if value <= (MAX_INT if sign else MAX_UINT) else None


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise ValueError("!!binary value contains invalid base64 data") from error
