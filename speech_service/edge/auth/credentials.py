"""The credential that comes in the metadata of a call."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from speech_service.domain.errors import UnauthenticatedError

_SCHEME = "bearer"
_TOKEN_PARTS = 3


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client presents. ``secret`` is a key or a token; it is never shown."""

    secret: str = field(repr=False)

    @property
    def is_token(self) -> bool:
        """Whether it has the form of a JSON Web Token, which no key has."""
        return len(self.secret.split(".")) == _TOKEN_PARTS


def find_credential(metadata: Iterable[tuple[str, str | bytes]]) -> Credential | None:
    """The credential of ``authorization: Bearer ...`` or ``x-api-key``; None: there is none.

    Some clients send the same one twice, as credentials of the channel and of the call.

    Raises:
        UnauthenticatedError: it is malformed, or there are two that differ.
    """
    found: set[str] = set()
    for name, value in metadata:
        if name == "authorization":
            found.add(_bearer(value))
        elif name == "x-api-key":
            found.add(_text(value))
    if len(found) > 1:
        raise _malformed("two credentials came that differ; send one")
    return Credential(found.pop()) if found else None


def _bearer(value: str | bytes) -> str:
    scheme, _, secret = _decoded(value).partition(" ")
    if scheme.lower() != _SCHEME:
        raise _malformed("authorization is not of the form `Bearer KEY-OR-TOKEN`")
    return _text(secret)


def _decoded(value: str | bytes) -> str:
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else value).strip()


def _text(value: str | bytes) -> str:
    text = _decoded(value)
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise _malformed("the credential is empty, or holds what no key and no token holds")
    return text


def _malformed(problem: str) -> UnauthenticatedError:
    return UnauthenticatedError(problem, reason="CREDENTIALS_MALFORMED")
