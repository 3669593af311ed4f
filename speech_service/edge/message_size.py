"""How large a message of each method may be, known from its bytes before they are parsed.

gRPC has one limit for a whole server, and audio needs it. But parsing millions of tiny fields, and letting them go
again, stops the event loop for seconds and takes a gigabyte, and a long text or audio of the same size takes nothing.
So what a message holds beside its audio and its long text is counted on the wire, and bounded: ``REST_BYTES``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor

from speech_service.config.tree import Config
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.v1.field_bounds import OWN

REST_BYTES = 2 * 1024 * 1024
"""Of a message, beside its audio and its text: all configuration that the bounds of its fields allow, or nearly."""
FOREIGN_BYTES = 4 * 1024
"""Of a message of another package (health, reflection, channelz): a name, or a number, and much more than any has."""
MAX_FIELDS = 10_000
"""That are looked at in a large message: several times what the bounds of its fields allow."""
_UTF8_BYTES = 4
"""Of the longest code point."""
_LONGEST_VARINT = 10

_Content: TypeAlias = "int | Mapping[int, _Content]"
"""By the number of the field: the most bytes of audio or text in it, or what its message has."""


@dataclass(frozen=True, slots=True)
class MessageSize:
    """What a message of one method may take."""

    most_bytes: int
    rest_bytes: int
    content: Mapping[int, _Content]

    def check(self, data: bytes) -> None:
        """Refuse a message that is too large, or of too many parts.

        Raises:
            InvalidFieldError: the limit is in it.
            InvalidFieldError: it is no message at all.
        """
        if len(data) > self.most_bytes:
            raise limit_exceeded("message", "max_message_bytes", self.most_bytes)
        if len(data) > self.rest_bytes:
            _check_rest(data, self.content, self.rest_bytes)


class MessageSizes:
    """Knows the sizes of a server's methods by their requests."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._sizes: dict[str, MessageSize] = {}

    def of(self, request: Descriptor | None) -> MessageSize:
        """What such a request may take; None: nobody knows what it is."""
        if request is None:
            return MessageSize(REST_BYTES, REST_BYTES, {})
        if not request.full_name.startswith("speech."):
            return MessageSize(FOREIGN_BYTES, FOREIGN_BYTES, {})
        known = self._sizes.get(request.full_name)
        if known is None:
            content = self._content(request)
            rest = REST_BYTES + self._listed(request)
            most = min(self._config.server.max_message_bytes, rest + _largest(content))
            known = self._sizes[request.full_name] = MessageSize(most, rest, content)
        return known

    def _listed(self, message: Descriptor) -> int:
        """The most bytes of long text that is in a list: its parts are many, so they count with the rest."""
        sizes = [0]
        for field in message.fields:
            if field.message_type is not None:
                sizes.append(self._listed(field.message_type))
            elif field.is_repeated and isinstance(OWN.get(field.full_name), str):
                sizes.append(_UTF8_BYTES * self._most(field.full_name))
        return max(sizes)

    def _content(self, message: Descriptor) -> dict[int, _Content]:
        """Fields of audio and of long text, and the messages that hold some."""
        found: dict[int, _Content] = {}
        for field in message.fields:
            if field.message_type is not None:
                inner = self._content(field.message_type)
                if inner and not field.is_repeated:
                    found[field.number] = inner
            elif field.type in (field.TYPE_STRING, field.TYPE_BYTES) and not field.is_repeated:
                most = self._most(field.full_name)
                if field.type == field.TYPE_BYTES:
                    found[field.number] = most
                elif _UTF8_BYTES * most >= REST_BYTES // 8:
                    found[field.number] = _UTF8_BYTES * most
        return found

    def _most(self, field: str) -> int:
        bound = OWN.get(field, 0)
        if isinstance(bound, int):
            return bound
        section, _, key = bound.partition(".")
        return int(getattr(getattr(self._config, section), key))


def _largest(content: Mapping[int, _Content]) -> int:
    return max(
        (part if isinstance(part, int) else _largest(part) for part in content.values()), default=0
    )


def _check_rest(data: bytes, content: Mapping[int, _Content], most_bytes: int) -> None:
    """Walk the fields that stand beside content; content, and what holds none, is one step each."""
    rest = fields = 0
    waiting = [(0, len(data), content)]
    while waiting:
        at, end, inside = waiting.pop()
        while at < end:
            number, value, behind = _field(data, at)
            if behind > end:
                raise _malformed()
            part = inside.get(number) if value is not None else None
            if part is None or value is None:
                rest += behind - at
            else:
                rest += value - at
                if not isinstance(part, int):
                    waiting.append((value, behind, part))
                elif behind - value > part:
                    raise limit_exceeded("message", "max_content_bytes", part)
            at = behind
            fields += 1
            if fields > MAX_FIELDS:
                raise limit_exceeded("message", "max_fields", MAX_FIELDS, "has too many fields")
            if rest > most_bytes:
                problem = "holds too much beside its audio and text"
                raise limit_exceeded("message", "max_rest_bytes", most_bytes, problem)


def _field(data: bytes, at: int) -> tuple[int, int | None, int]:
    """The field at a place: its number, where its value begins if it has a length, and what is behind it."""
    key, at = _varint(data, at)
    match key & 7:
        case 0:
            return key >> 3, None, _varint(data, at)[1]
        case 1:
            return key >> 3, None, at + 8
        case 2:
            size, at = _varint(data, at)
            return key >> 3, at, at + size
        case 5:
            return key >> 3, None, at + 4
        case (
            _
        ):  # ends of groups, which have no value; what is no field at all is for protobuf to refuse
            return key >> 3, None, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _malformed()


def _malformed() -> InvalidFieldError:
    return InvalidFieldError(
        "message", "is not a valid message of this RPC", "its protobuf encoding"
    )
