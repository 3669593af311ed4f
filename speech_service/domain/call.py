"""One RPC as the service sees it: its ids, its counts, its outcome. Interceptor, servicers and observers share it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from speech_service.domain.errors import SpeechError
from speech_service.domain.events import LatencySummary, Usage
from speech_service.domain.principal import ANONYMOUS, Principal
from speech_service.domain.recognition import Pacing


class CallMode(Enum):
    """How the input of a call comes. What may be promised of its latency depends on it: a live stream waits for
    the speaker, an uploaded file for the device."""

    REALTIME = "realtime"
    FILE = "file"
    UNARY = "unary"
    TEXT = "text"


class UsageMeter(Protocol):
    """Charges whoever calls for what the call uses."""

    def reserve(self, usage: Usage) -> None:
        """So much is going to be used: take it before the work begins. What is not used comes back when the call is
        over.

        Raises:
            SpeechError: others have used up what there was.
        """
        ...

    def charge(self, usage: Usage | None) -> None:
        """The call has used so much until now, in all; None: it is not known."""
        ...


class NoMeter:
    """Charges nobody."""

    def reserve(self, usage: Usage) -> None:
        """As of ``UsageMeter``."""

    def charge(self, usage: Usage | None) -> None:
        """As of ``UsageMeter``."""


@dataclass(slots=True)
class Call:
    """State of one RPC. ``service`` and ``method`` are the names on the wire, ``rpc_type`` e.g. ``bidi_stream``.

    ``edge`` makes it, and hands it to whoever serves the call. ``deadline_s`` is on the monotonic clock.
    """

    service: str
    method: str
    rpc_type: str
    request_id: str
    traceparent: str = ""
    priority: str = "default"
    principal: Principal = ANONYMOUS
    peer: str = ""
    """Where it comes from, as gRPC says it: ``ipv4:192.0.2.1:50000``."""
    pacing: Pacing | None = None
    """Of its audio, once its session is open; None: it has none."""
    deadline_s: float | None = None
    started_s: float = field(default_factory=time.monotonic)
    received: int = 0
    sent: int = 0
    session_id: str = ""
    resumed_session_id: str = ""
    """The session that an earlier call began and this one goes on with; empty: it began here."""
    has_room_kept: bool = False
    """Its session was let in before, as far as can be known: there is room for it before there is for new ones."""
    model: str = ""
    usage: Usage | None = None
    latency: LatencySummary | None = None
    error: SpeechError | None = None
    meter: UsageMeter = field(default_factory=NoMeter)
    trailers: tuple[tuple[str, str], ...] = ()
    """What a call that ends well tells beside its usage and its latency."""
    _when_over: list[Callable[[], None]] | None = field(default_factory=list[Callable[[], None]])
    """None: it is over."""

    @property
    def name(self) -> str:
        """Give the name as ``package.Service/Method``."""
        return f"{self.service}/{self.method}"

    def elapsed_s(self) -> float:
        """Seconds since the RPC began."""
        return time.monotonic() - self.started_s

    def mode(self, pacing: Pacing | None) -> CallMode:
        """Say how its input comes; ``pacing`` is that of its audio, None where it has none."""
        if self.rpc_type == "unary":
            return CallMode.UNARY
        if pacing is None:
            return CallMode.TEXT
        return CallMode.REALTIME if pacing is Pacing.REALTIME else CallMode.FILE

    def opened(self, model: str) -> None:
        """A session with ``model`` serves it; unary calls get the id of theirs here."""
        self.session_id = self.session_id or new_id()
        self.model = model

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the call is over, however it ends; now, if it is."""
        if self._when_over is None:
            callback()
        else:
            self._when_over.append(callback)

    def over(self) -> None:
        """It is over: its client got its answer, or is gone."""
        callbacks, self._when_over = self._when_over or (), None
        for callback in callbacks:
            callback()

    def finished(self, usage: Usage, latency: LatencySummary) -> None:
        """Note what the call used and how long its stages took."""
        self.usage, self.latency = usage, latency


def new_id() -> str:
    """32 random hexadecimal digits."""
    return os.urandom(16).hex()
