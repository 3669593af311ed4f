"""How an alignment goes on in another call."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from speech.v1 import alignment_service_pb2, common_pb2
from speech_client.aligned import AlignedUnits, UnalignedReason, UnalignedSpan
from speech_client.events import ControlAck, ControlKind, GoingAway, Progress
from speech_client.reconnect import CannotResumeError, ReconnectPolicy
from speech_client.sent_log import SentLog, payload

LEAD_MS = 100
"""Audio before the last unit's end that is heard again."""


class AlignmentRecovery:
    """StreamingAlign: what is placed is done, in the audio and in the text."""

    def __init__(
        self, config: alignment_service_pb2.AlignmentConfig, policy: ReconnectPolicy
    ) -> None:
        self._config = config
        self._log = SentLog(config.audio, policy)
        self._text, self._is_text_complete = "", False
        """The text from ``_from_char`` on."""
        self._from_ms = self._from_char = self._settled_ms = 0
        self._sent_char = 0
        """The text before it was sent in the call that runs; so was its end, where that is known."""
        self._is_end_sent = False
        self._begins_ms = 0.0
        self._leaves = False
        self._held: deque[Any] = deque()

    def sent(self, message: Any, *, live: bool) -> None:
        """As of ``Recovery``."""
        kind = payload(message)
        if kind == "text":
            self._text += message.text.text
            self._is_text_complete |= message.text.end_of_text
            if live:
                self._sent_char = self._from_char + len(self._text)
                self._is_end_sent = self._is_text_complete
        elif kind != "keep_alive":
            self._log.add(kind, message, live=live)

    def taken(self, event: Any) -> Sequence[Any]:
        """As of ``Recovery``. What a server that stops still places is placed again by the next, with all the audio."""
        if isinstance(event, GoingAway):
            self._leaves = not self._log.is_ended
        elif self._leaves:
            self._held.append(event)
            return ()
        return self._passed_on(event)

    def mark(self) -> object:
        """As of ``Recovery``."""
        return self._from_ms, self._from_char, self._settled_ms

    def _release(self) -> Sequence[Any]:
        held, self._held, self._leaves = self._held, deque(), False
        return [told for event in held for told in self._passed_on(event)]

    def _passed_on(self, event: Any) -> Sequence[Any]:
        match event:
            case AlignedUnits(units) if units:
                self._placed(max(u.end_ms for u in units), max(u.char_end for u in units))
            case UnalignedSpan(reason=UnalignedReason.AUDIO_NOT_IN_TEXT):
                self._placed(event.end_ms, 0)
            case UnalignedSpan():
                self._placed(0, event.char_end)
            case Progress():
                self._settled_ms = max(self._settled_ms, event.final_ms)
            case ControlAck(kind=ControlKind.FINALIZE):
                entry = self._log.answered()
                if entry is not None:
                    entry.is_acked = entry.is_done = True
            case _:
                pass
        self._log.done_to(self._lead_ms())
        return (event,)

    def _placed(self, end_ms: int, end_char: int) -> None:
        self._from_ms = max(self._from_ms, end_ms)
        if end_char > self._from_char:
            self._text = self._text[end_char - self._from_char :]
            self._from_char = end_char

    def _lead_ms(self) -> int:
        """The audio is sent again from here: the next word may begin before the last one is over."""
        return max(0, self._from_ms - LEAD_MS, self._settled_ms)

    def may_move(self) -> bool:
        """As of ``Recovery``."""
        return True

    def first(self, token: str) -> Any:
        """As of ``Recovery``."""
        if not token:
            raise CannotResumeError("the server gave no token to resume with")
        from_ms = max(self._from_ms, self._settled_ms)
        begins_ms = self._log.begins_ms(min(self._lead_ms(), from_ms))
        config = alignment_service_pb2.AlignmentConfig()
        config.CopyFrom(self._config)
        resume = common_pb2.Resume(token=token, from_ms=from_ms, from_char=self._from_char)
        if int(begins_ms) < from_ms:
            resume.audio_from_ms = int(begins_ms)
        config.resume.CopyFrom(resume)
        return alignment_service_pb2.StreamingAlignRequest(config=config)

    def resumed(self) -> Sequence[Any]:
        """As of ``Recovery``."""
        self._begins_ms = min(self._lead_ms(), max(self._from_ms, self._settled_ms))
        self._log.begins_ms(self._begins_ms)
        self._held.clear()
        self._leaves = False
        self._log.rewind()
        self._sent_char, self._is_end_sent = self._from_char, False
        return ()

    def next(self) -> Any | None:
        """As of ``Recovery``: the text first."""
        unsent = self._text[max(0, self._sent_char - self._from_char) :]
        ends = self._is_text_complete and not self._is_end_sent
        if unsent or ends:
            self._sent_char = self._from_char + len(self._text)
            self._is_end_sent = self._is_text_complete
            text = alignment_service_pb2.AlignmentText(text=unsent, end_of_text=ends)
            return alignment_service_pb2.StreamingAlignRequest(text=text)
        return self._log.next(self._begins_ms)

    def given_up(self) -> Sequence[Any]:
        """As of ``Recovery``."""
        return self._release()
