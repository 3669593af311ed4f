"""Callers that were refused: counted, and told of in the log without a line for each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from speech_service.domain.call import Call
from speech_service.domain.errors import SpeechError
from speech_service.protocols import CallObserver, Observer

WINDOW_S = 60.0
Later = Callable[[float, Callable[[], None]], object]
"""Calls something after so many seconds."""


@dataclass(slots=True)
class _Window:
    count: int = 0
    last: Call | None = None


class Refusals:
    """A line of the audit log for the first refusal of a reason, and one a minute for all that follow it.

    A flood of wrong keys makes one line a minute for each reason; the reasons are a few. What was presented is in no
    line.
    """

    def __init__(
        self, observer: Observer, counting: CallObserver, later: Later | None = None
    ) -> None:
        """``counting``: counts calls, and logs none."""
        self._observer = observer
        self._counting = counting
        self._later = later or asyncio.get_running_loop().call_later
        self._windows: dict[str, _Window] = {}

    def refused(self, call: Call, error: SpeechError, code: str) -> None:
        """A call was refused before anything of it was read."""
        call.error = error
        self._counting.call_started(call)
        self._counting.call_ended(call, code)
        self._observer.count("speech_auth_refused_total", reason=error.reason)
        window = self._windows.get(error.reason)
        if window is None:
            self._windows[error.reason] = _Window()
            _log(call, error.reason, 1)
            self._later(WINDOW_S, lambda: self._close(error.reason))
            return
        window.count += 1
        window.last = call

    def _close(self, reason: str) -> None:
        window = self._windows.pop(reason)
        if window.last is None:
            return
        _log(window.last, reason, window.count)
        self._windows[reason] = _Window()
        self._later(WINDOW_S, lambda: self._close(reason))


def _log(call: Call, reason: str, count: int) -> None:
    """``count`` refusals, of which ``call`` was the last."""
    logger.bind(
        event="credential_refused",
        reason=reason,
        count=count,
        method=call.name,
        peer=call.peer,
        tenant=call.principal.tenant,
        subject=call.principal.subject,
        request_id=call.request_id,
    ).info("audit")
