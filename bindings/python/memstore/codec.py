# SPDX-License-Identifier: Apache-2.0
"""How objects become bytes."""

from __future__ import annotations

import json
import numbers
import pickle
import struct
from collections.abc import Callable, Hashable
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from typing import Any, NamedTuple, Union

from ._types import Buffer
from .errors import InvalidArgument


class Codec(NamedTuple):
    """How a Cache keeps its values: ``decode(encode(value))`` gives the value back."""

    encode: Callable[[Any], Buffer]
    decode: Callable[[bytes], Any]


def _pickle(value: object) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a pair of surrogates, which JSON has only escaped
        return json.dumps(value, separators=(",", ":")).encode()


def _msgpack_module() -> Any:
    try:
        import msgpack  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ModuleNotFoundError as failure:
        raise ModuleNotFoundError("the codec MSGPACK needs the package msgpack", name="msgpack") from failure
    return msgpack


def _msgpack(value: object) -> bytes:
    data: bytes = _msgpack_module().packb(value)
    return data


def _from_msgpack(data: bytes) -> Any:
    return _msgpack_module().unpackb(data, strict_map_key=False)


def _raw(value: Buffer) -> Buffer:
    return value


#: Any object that pickle takes. The default.
PICKLE = Codec(_pickle, pickle.loads)
#: What JSON can say: None, bool, numbers, str, lists, dicts with str keys.
JSON = Codec(_json, json.loads)
#: What MessagePack can say, with the package msgpack: also bytes, and dicts with other keys than str; tuples become lists.
MSGPACK = Codec(_msgpack, _from_msgpack)
#: Bytes-like values, kept as they are; they come back as bytes.
RAW = Codec(_raw, bytes)

_BY_NAME = {"pickle": PICKLE, "json": JSON, "msgpack": MSGPACK, "raw": RAW}


def codec_of(codec: Union[str, Codec]) -> Codec:
    """A codec by its name, as configuration files have it, or as it is."""
    if isinstance(codec, Codec):
        return codec
    if codec not in _BY_NAME:
        raise InvalidArgument(f"{codec!r} is no codec; there are {', '.join(_BY_NAME)}, and Codec(encode, decode)")
    return _BY_NAME[codec]


# ---- Keys
#
# Equal keys have to become equal bytes, which pickle does not give: it writes a repeated object as a reference, so that
# two equal tuples differ when one of them holds the same object twice. Hence a tag and the content for the types that
# keys are made of, and pickle without references (`fast`) for others. As with dict, 1, 1.0 and True are one key.

_LENGTH = struct.Struct("<I")
#: Larger integers are written in base 16: Python refuses to write very many decimal digits, 640 at the fewest.
_DECIMAL_BITS = 2048
#: Decimals of larger exponents either way are written as such. What equals one, and is an int or a fraction of as many
#: digits, is another key.
_LARGEST_EXPONENT = 100_000


def encode_key(key: Hashable) -> bytes:
    """The bytes that stand for a key of a Cache."""
    if isinstance(key, str):
        return b"s" + key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return b"b" + key
    if isinstance(key, int):
        return b"i%d" % key if key.bit_length() <= _DECIMAL_BITS else b"x%x" % key
    if isinstance(key, float):
        return b"i%d" % int(key) if key.is_integer() else b"f" + struct.pack("<d", key)
    if key is None:
        return b"n"
    if isinstance(key, tuple):
        parts = [encode_key(item) for item in key]
        return b"t" + b"".join(_LENGTH.pack(len(part)) + part for part in parts)
    if isinstance(key, frozenset):
        parts = sorted(encode_key(item) for item in key)
        return b"z" + b"".join(_LENGTH.pack(len(part)) + part for part in parts)
    if isinstance(key, numbers.Number):
        return _encode_number(key)
    return b"p" + _pickle_without_references(key)


def _encode_number(key: Any) -> bytes:
    """Decimals, fractions, complex numbers, numpy's: as the int or float that they equal, or as a ratio."""
    hash(key)
    is_real: bool = isinstance(key, (numbers.Real, Decimal))
    if not is_real:
        number = complex(key) + 0  # no negative zero
        return encode_key(number.real) if number.imag == 0 else b"c" + struct.pack("<dd", number.real, number.imag)
    if isinstance(key, Decimal) and key.is_finite() and abs(key.adjusted()) > _LARGEST_EXPONENT and key:
        return b"d" + _in_one_form(key).encode()
    try:
        ratio = _ratio_of(key)
    except (ValueError, OverflowError):  # no number, or infinite
        return encode_key(float(key))
    try:
        if ratio.denominator == 1 or Fraction(float(ratio)) == ratio:
            return encode_key(ratio.numerator if ratio.denominator == 1 else float(ratio))
    except OverflowError:
        pass
    return b"r%x/%x" % (ratio.numerator, ratio.denominator)


def _ratio_of(number: Any) -> Fraction:
    # Of ints of Python's: numpy's have numerators of their own kind.
    if isinstance(number, numbers.Rational):
        return Fraction(int(number.numerator), int(number.denominator))
    return Fraction(*number.as_integer_ratio())


def _in_one_form(number: Decimal) -> str:
    """The same for all decimals that are equal, whatever context there is."""
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    return f"{'-' * sign}{significant}E{int(exponent) + len(text) - len(significant)}"


def _pickle_without_references(key: Hashable) -> bytes:
    hash(key)
    out = BytesIO()
    pickler = pickle.Pickler(out, 5)
    pickler.fast = True
    pickler.dump(key)
    return out.getvalue()


def _decode_parts(data: bytes) -> list[Any]:
    parts, at = [], 1
    while at < len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        parts.append(decode_key(data[at : at + size]))
        at += size
    return parts


def decode_key(data: bytes) -> Any:
    """The key that encode_key() took, or one that is equal to it."""
    tag, content = data[:1], data[1:]
    if tag == b"s":
        return content.decode("utf-8", "surrogatepass")
    if tag == b"b":
        return content
    if tag == b"i":
        return int(content)
    if tag == b"x":
        return int(content, 16)
    if tag == b"f":
        return struct.unpack("<d", content)[0]
    if tag == b"c":
        return complex(*struct.unpack("<dd", content))
    if tag == b"r":
        return Fraction(*(int(part, 16) for part in content.split(b"/")))
    if tag == b"d":
        return Decimal(content.decode())
    if tag == b"n":
        return None
    if tag == b"t":
        return tuple(_decode_parts(data))
    if tag == b"z":
        return frozenset(_decode_parts(data))
    return pickle.loads(content)
