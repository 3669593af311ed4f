"""Values as msgpack, both ways, without a line for any of their fields.

msgspec reads and writes the domain's dataclasses as they are. What it cannot know is here. An array, which has one
dimension, travels as its type, its length and its bytes. A value of one of several types travels behind the name of
its type (``Kinds``). An error travels as its class and its attributes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar, cast, get_origin

import msgspec
import numpy as np

from speech_service.domain import errors
from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError

T = TypeVar("T")

MAX_MESSAGE_BYTES = 62 << 20
"""Nothing that is sent comes near: a request of a client has 16 MiB, and audio goes in pieces."""
FULL_FRAME_BYTES = 1 << 20
"""No more messages are added to a frame that has so much."""
MAX_FRAME_BYTES = 64 << 20
_DTYPE = np.dtype("<f4")


class BrokenFrameError(ConnectionError):
    """What came is nothing that a process of this release says."""


class Tagged(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A value behind the name of its type. It is read when its type is known to be one of those wanted."""

    kind: str
    value: msgspec.Raw


def _to_wire(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise TypeError(f"{type(cast(object, value)).__name__} does not travel")
    array = np.ascontiguousarray(cast(Samples, value), _DTYPE)
    return _DTYPE.str, array.shape, array.data


def _from_wire(kind: Any, value: Any) -> Any:
    if get_origin(kind) is not np.ndarray:
        raise TypeError(f"{kind} does not travel")
    dtype, shape, data = value
    if dtype != _DTYPE.str or type(data) is not bytes:
        raise ValueError(f"an array is bytes of {_DTYPE.str}")
    if len(data) % _DTYPE.itemsize or shape != [len(data) // _DTYPE.itemsize]:
        raise ValueError(f"{len(data)} bytes are no array of the shape {shape}")
    return np.frombuffer(bytearray(data), _DTYPE).astype(np.float32, copy=False)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_to_wire)


def encode(value: object) -> bytes:
    """The value as msgpack.

    Raises:
        TypeError, ValueError, OverflowError: it, or something in it, has no place there; or it is too large.
    """
    data = _ENCODER.encode(value)
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(data)} bytes; at most {MAX_MESSAGE_BYTES}")
    return data


def decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":
    """What reads values of a type from msgpack."""
    return msgspec.msgpack.Decoder(kind, dec_hook=_from_wire)


def decode(reader: "msgspec.msgpack.Decoder[T]", data: "bytes | msgspec.Raw") -> T:
    """A value that another process wrote.

    Raises:
        BrokenFrameError: the bytes are no such value.
    """
    try:
        return reader.decode(data)
    except (msgspec.MsgspecError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise BrokenFrameError(f"not to be read: {error}") from error


def frames(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Encoded messages in order, in frames of about ``FULL_FRAME_BYTES``: what comes together travels together."""
    together: list[msgspec.Raw] = []
    size_bytes = 0
    for message in messages:
        together.append(msgspec.Raw(message))
        size_bytes += len(message)
        if size_bytes >= FULL_FRAME_BYTES:
            yield _ENCODER.encode(together)
            together, size_bytes = [], 0
    if together:
        yield _ENCODER.encode(together)


class Kinds(Generic[T]):
    """Values of several types, which msgspec cannot tell apart by themselves."""

    def __init__(self, types: Iterable[type[T]]) -> None:
        self._readers = {kind.__name__: decoder(kind) for kind in types}

    def pack(self, value: T) -> Tagged:
        """The value behind the name of its type. Raises what ``encode`` raises."""
        return Tagged(type(value).__name__, msgspec.Raw(_ENCODER.encode(value)))

    def unpack(self, tagged: Tagged) -> T:
        """The value again.

        Raises:
            BrokenFrameError: it is of no type that is known here, or not a value of its type.
        """
        reader = self._readers.get(tagged.kind)
        if reader is None:
            raise BrokenFrameError(f"not to be read: no type is named {tagged.kind[:80]!r}")
        return decode(reader, tagged.value)


ERROR_TYPES: dict[str, type[SpeechError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, SpeechError)
}


class _ErrorState(TypedDict):
    """What every error keeps."""

    message: str
    reason: str
    metadata: dict[str, str]


_PLAIN = (str, int, float, dict)
_STATE = decoder(dict[str, str | int | float | dict[str, str]])
_COMMON_STATE = decoder(_ErrorState)


def pack_error(error: SpeechError) -> Tagged:
    """The error as its class and what it keeps; one of a class of its own as the nearest that all know."""
    kind = next(kind for kind in type(error).__mro__ if kind.__name__ in ERROR_TYPES)
    plain = {name for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    state: dict[str, object] = {name: getattr(error, name) for name in plain}
    return Tagged(kind.__name__, msgspec.Raw(_ENCODER.encode(state)))


def unpack_error(tagged: Tagged) -> SpeechError:
    """The error that was meant.

    Raises:
        BrokenFrameError: there is no such error.
    """
    kind = ERROR_TYPES.get(tagged.kind)
    if kind is None:
        raise BrokenFrameError(f"not to be read: no error is named {tagged.kind[:80]!r}")
    error = kind.__new__(kind, decode(_COMMON_STATE, tagged.value)["message"])
    vars(error).update(decode(_STATE, tagged.value))
    return error


def fingerprint(types: Sequence[type]) -> str:
    """Names the shape of values of these types. What they are called in prose is no part of it."""
    whole = msgspec.json.schema_components(types, schema_hook=lambda kind: {"type": str(kind)})
    # A structure that travels as an array shows the order of its fields by their names alone.
    names = [kind.__struct_fields__ for kind in types if issubclass(kind, msgspec.Struct)]
    text = json.dumps([_without_prose(whole), names], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_prose(schema: Any) -> Any:
    """A schema without docstrings: a process that runs without them (``python -OO``) speaks the same."""
    if isinstance(schema, Mapping):
        members = cast(Mapping[str, Any], schema).items()
        kept = [(k, v) for k, v in members if k != "description" or not isinstance(v, str)]
        return {key: _without_prose(value) for key, value in kept}
    if isinstance(schema, list | tuple):
        return [_without_prose(each) for each in cast(Sequence[Any], schema)]
    return schema
