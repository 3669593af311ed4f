"""When a stream is opened again, how often, and what is kept for it."""

import random
from dataclasses import dataclass

import grpc

from speech_client import errors

_TRANSPORT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
)
"""What a connection that broke looks like: gRPC itself says UNAVAILABLE, proxies say the others."""
_CREDENTIALS_ENDED = "CREDENTIALS_EXPIRED"
"""The token that opened the stream has ended, or its key was revoked; what the server had received got its results."""


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """Whether and how a stream goes on elsewhere when its connection is lost, or its server drains.

    Attributes:
        attempts: tries in a row without anything new that is final; then the last error is raised. 0: never.
        total_s: no try begins later than this after the loss.
        initial_backoff_s: wait before the first try (doubled each time, with jitter); the server's RetryInfo is
            honoured where it asks for more.
        max_backoff_s: longest wait of its own accord.
        keep_s: the most audio that is kept to be sent again. Beyond it the oldest goes, and the stream cannot be
            resumed until FINALs have caught up.
        keep_bytes: the same in bytes. A container (WAV, MP3, ...) cannot be cut: it is kept whole, and is not resumed
            once it is longer.
    """

    attempts: int = 12
    total_s: float = 60.0
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 5.0
    keep_s: float = 600.0
    keep_bytes: int = 32 * 1024 * 1024

    def backoff_s(self, attempt: int, retry_after_ms: int | None) -> float:
        """How long to wait before a try, counted from 0."""
        longest = min(self.max_backoff_s, self.initial_backoff_s * 2**attempt)
        return max(longest * random.uniform(0.5, 1.0), (retry_after_ms or 0) / 1000)


NEVER = ReconnectPolicy(attempts=0)
"""No stream is opened again."""


class CannotResumeError(Exception):
    """What is kept does not suffice to go on; the message says why."""


def is_lost(error: Exception) -> bool:
    """Whether a stream that ended so may go on elsewhere."""
    if isinstance(error, errors.UnavailableError | errors.StreamInterruptedError):
        return True
    if isinstance(error, errors.AccessError) and error.reason == _CREDENTIALS_ENDED:
        return True  # the next call has a new token, or hears that its key is good no longer
    # A status of the service itself has a domain; one of the transport, or of a proxy, has none.
    return (
        isinstance(error, errors.SpeechApiError) and error.code in _TRANSPORT and not error.domain
    )


def may_pass(error: Exception) -> bool:
    """Whether another try at opening makes sense after this one failed."""
    return is_lost(error) or (
        isinstance(error, errors.OverloadedError) and error.retry_after_ms is not None
    )
