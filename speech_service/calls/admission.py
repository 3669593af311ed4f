"""Bounded admission, and the way out of it: which streams are open, and how they are told to end."""

import asyncio
import time
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from speech_service.calls.live_lag import LiveLag
from speech_service.calls.live_load import LiveAsk, LiveLoad
from speech_service.config.tree import ServerConfig
from speech_service.dispatch.policy import LIVE_CLASSES, effective_class
from speech_service.domain.call import Call
from speech_service.domain.errors import OverloadedError, SpeechError, UnavailableError
from speech_service.domain.work import WorkClass
from speech_service.protocols import Observer

_CALLS_OF_A_SESSION = 2


@dataclass(frozen=True, slots=True)
class LiveGate:
    """What is known of live streams: what they ask for, and how late they are served."""

    load: LiveLoad
    lag: LiveLag


class OpenStream(Protocol):
    """A stream as seen from the door."""

    def going_away(self, drain_ms: int) -> None:
        """Tell the client that the server drains."""
        ...

    def drain(self) -> None:
        """Stop reading; what was received still gets its FINALs, then the stream ends with UNAVAILABLE."""
        ...

    def give_up(self) -> None:
        """End the stream now, with UNAVAILABLE after what is ready: the server waits no longer."""
        ...


class Admission:
    """Counts calls, refuses those above the limits and, once closed, all."""

    def __init__(
        self, config: ServerConfig, observer: Observer, live: LiveGate | None = None
    ) -> None:
        """``live``: bounds live streams by what the devices can do; None: only their number is bounded."""
        self._config = config
        self._observer = observer
        self._live = live
        self._pumps: set[OpenStream] = set()
        self._callers: set[asyncio.Task[Any]] = set()
        """The tasks of unary calls."""
        self._streams = 0
        self._resumed: Counter[str] = Counter()
        """Calls that were let in before new ones, by the session that they go on with."""
        self._unary = 0
        self._given_up = False
        self._closed = False
        self._gone_s: float | None = None
        """When the server stops serving open streams; None: nothing is planned."""

    @property
    def open_streams(self) -> int:
        """Bidirectional streams now open."""
        return self._streams

    @property
    def open_unary(self) -> int:
        """Unary calls now in flight."""
        return self._unary

    @property
    def draining(self) -> bool:
        """No new call is admitted."""
        return self._closed

    def close(self) -> None:
        """Refuse new calls from now on."""
        self._closed = True

    @contextmanager
    def stream(self, pump: OpenStream) -> Generator[None]:
        """Admit a stream for as long as the block runs.

        Raises:
            OverloadedError: too many streams are open.
            UnavailableError: the server drains.
        """
        self._check(self._streams, self._config.max_streams, "max_streams")
        self._streams += 1
        self._pumps.add(pump)
        if self._gone_s is not None:
            pump.going_away(max(0, round((self._gone_s - time.monotonic()) * 1000)))
        self.show()
        try:
            yield
        finally:
            self._streams -= 1
            self._pumps.discard(pump)
            self.show()

    def live(self, call: Call, *asks: LiveAsk) -> None:
        """The stream of ``call`` turns out to be live: count what it asks for until the call is over.

        Where the priority of the call makes background work of it, it waits instead, and is not counted. One that goes
        on with a session which was cut off is let in before new ones: two calls of a session at once, of which one may
        be lost and not known to be.

        Raises:
            OverloadedError: the devices cannot keep up with one more.
        """
        live = self._live
        if live is None or not _is_live(call):
            return
        session_id = call.resumed_session_id
        goes_on = call.has_room_kept and self._resumed[session_id] < _CALLS_OF_A_SESSION
        if not live.load.has_room(asks, goes_on=goes_on):
            self._refuse_for_load(live, asks)
        if not goes_on:
            self._check_late(live)
        live.load.opened(call.session_id, asks)
        self._resumed[session_id] += goes_on
        self.show()

        def over() -> None:
            live.load.closed(call.session_id)
            self._resumed[session_id] -= goes_on
            if not self._resumed[session_id]:
                del self._resumed[session_id]
            self.show()

        call.when_over(over)

    def expect_live(self, call: Call, any_of: Iterable[LiveAsk]) -> None:
        """Refuse a call at once, before a message of it is read, that will ask for one of these and could have none.

        Raises:
            OverloadedError: as ``live``.
        """
        live, asks = self._live, tuple(any_of)
        if live is None or not asks or not _is_live(call):
            return
        if not any(live.load.has_room((ask,)) for ask in asks):
            self._refuse_for_load(live, asks)
        self._check_late(live)

    def show(self) -> None:
        """Report how full we are, by whichever bound is nearest. It changes with time, too."""
        self._observer.gauge("speech_active_streams", self._streams)
        taken = self._streams / max(1, self._config.max_streams)
        if self._live is not None:
            self._live.load.report()
            taken = max(taken, self._live.load.share_taken)
        self._observer.gauge("speech_stream_load", taken)

    @contextmanager
    def unary(self) -> Generator[None]:
        """Admit a unary call for as long as the block runs; raises as ``stream`` does."""
        self._check(self._unary, self._config.max_unary, "max_unary")
        caller = asyncio.current_task()
        assert caller is not None, "a call is a task"
        self._unary += 1
        self._callers.add(caller)
        self._observer.gauge("speech_active_unary", self._unary)
        try:
            yield
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            raise gave_up() from None
        finally:
            self._unary -= 1
            self._callers.discard(caller)
            self._observer.gauge("speech_active_unary", self._unary)

    def going_away(self, drain_ms: int) -> None:
        """Tell every open stream, and those that are still admitted."""
        self._gone_s = time.monotonic() + drain_ms / 1000
        for pump in list(self._pumps):
            pump.going_away(drain_ms)

    def drain_streams(self) -> None:
        """Make every open stream finish what it has and end."""
        for pump in list(self._pumps):
            pump.drain()

    def give_up(self) -> None:
        """End every open call now, with UNAVAILABLE after what is ready for it."""
        self._closed = self._given_up = True
        for pump in list(self._pumps):
            pump.give_up()
        for caller in list(self._callers):
            caller.cancel()

    def _refuse_for_load(self, live: LiveGate, asks: Iterable[LiveAsk]) -> None:
        self._observer.count("speech_shed_total", reason="capacity")
        raise live.load.refusal(asks)

    def _check_late(self, live: LiveGate) -> None:
        if live.load.is_empty or not live.lag.is_late:
            return  # whoever was late is gone, and somebody must show that it is over
        self._observer.count("speech_shed_total", reason="lag")
        raise OverloadedError(
            "live streams get their results late; retry later, or on another server",
            reason="LIVE_RESULTS_LATE",
            retry_after_ms=live.load.retry_after_ms(),
            metadata={"max_live_lag_ms": str(round(live.lag.bound_s * 1000))},
        )

    def _check(self, now: int, limit: int, name: str) -> None:
        if self._closed:
            self._observer.count("speech_shed_total", reason="draining")
            raise UnavailableError("the server is shutting down", reason="DRAINING")
        if now >= limit:
            self._observer.count("speech_shed_total", reason=name)
            raise OverloadedError(
                f"the server has as many calls of this kind as it admits ({limit}); retry later",
                reason="TOO_MANY_CALLS",
                metadata={name: str(limit)},
            )


def gave_up() -> SpeechError:
    """What calls get that are still open when the server stops."""
    return UnavailableError(
        "the server is shutting down and could not wait any longer; repeat what has no result on a new call",
        reason="DRAINING",
        retry_after_ms=1000,
    )


def _is_live(call: Call) -> bool:
    return effective_class(call.priority, WorkClass.STREAM_FINAL) in LIVE_CLASSES
