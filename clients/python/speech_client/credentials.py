"""Who calls: a key or a token that goes with every call of a connection."""

from collections.abc import Callable
from typing import Any, cast

import grpc.aio

Token = str | Callable[[], str]
"""A token, or what gives the one of now: called for each call, on the event loop, so it must not wait. Renew tokens
elsewhere."""


def with_credentials(channel: grpc.aio.Channel, api_key: str, token: Token) -> grpc.aio.Channel:
    """Give the channel, or one whose calls carry the key or the token. Metadata of a call that has a credential of its
    own stays as it is.

    Raises:
        ValueError: both are given.
    """
    if api_key and token:
        raise ValueError("give api_key or token, not both")
    if not api_key and not token:
        return channel
    return cast("Any", _CredentialedChannel(channel, token or api_key))


class _CredentialedChannel:
    """Adds ``authorization`` to the metadata. A client interceptor would do, but costs streams a queue of their own."""

    def __init__(self, channel: grpc.aio.Channel, credential: Token) -> None:
        self._channel = channel
        self._credential = credential
        self.unary_unary = self._adding(channel.unary_unary)
        self.unary_stream = self._adding(channel.unary_stream)
        self.stream_unary = self._adding(channel.stream_unary)
        self.stream_stream = self._adding(channel.stream_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def _adding(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any, **named: Any) -> Callable[..., Any]:
            method = make(*given, **named)

            def call(*sent: Any, metadata: Any = None, **options: Any) -> Any:
                return method(*sent, metadata=self._with(tuple(metadata or ())), **options)

            return call

        return made

    def _with(self, metadata: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        if any(name in ("authorization", "x-api-key") for name, _ in metadata):
            return metadata
        credential = self._credential if isinstance(self._credential, str) else self._credential()
        return (*metadata, ("authorization", f"Bearer {credential}"))
