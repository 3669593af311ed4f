"""Where a stream stands, and how it goes on in another call: a pure state machine; here that of recognition.

A stream tells its ``Recovery`` of all that is sent and all that comes, and gives its caller what the recovery lets
through: each FINAL once and in order, whatever calls it took.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from speech.v1 import common_pb2, recognition_service_pb2
from speech_client.events import (
    ControlAck,
    Progress,
    ServiceWarning,
    SpeechEvent,
    SpeechEventKind,
)
from speech_client.reconnect import CannotResumeError, ReconnectPolicy
from speech_client.results import EndCause, RecognitionResult, ResultKind
from speech_client.sent_log import SentLog, payload


class Recovery(Protocol):
    """What one stream needs to go on in another call."""

    def sent(self, message: Any, *, live: bool) -> None:
        """A message is sent now; not ``live``: it follows what is sent again."""
        ...

    def taken(self, event: Any) -> Sequence[Any]:
        """What the caller is told of an event."""
        ...

    def mark(self) -> object:
        """Changes with every event that is final."""
        ...

    def may_move(self) -> bool:
        """Whether the stream can leave a server that still serves it."""
        ...

    def first(self, token: str) -> Any:
        """The first message of another call.

        Raises:
            CannotResumeError: not enough is kept.
        """
        ...

    def resumed(self) -> Sequence[Any]:
        """That call is open: all is sent again through ``next``. Gives what the caller is told of what was lost."""
        ...

    def next(self) -> Any | None:
        """The next message that is sent again; None: all was."""
        ...

    def given_up(self) -> Sequence[Any]:
        """There is no other call to come: what was held back for one."""
        ...


class NoRecovery:
    """Of a stream that ends with its call."""

    def sent(self, message: Any, *, live: bool) -> None:
        """As of ``Recovery``."""

    def taken(self, event: Any) -> Sequence[Any]:
        """As of ``Recovery``."""
        return (event,)

    def mark(self) -> object:
        """As of ``Recovery``."""
        return None

    def may_move(self) -> bool:
        """As of ``Recovery``."""
        return False

    def first(self, token: str) -> Any:
        """As of ``Recovery``."""
        raise CannotResumeError("this stream is not resumed")

    def resumed(self) -> Sequence[Any]:
        """As of ``Recovery``."""
        return ()

    def next(self) -> Any | None:
        """As of ``Recovery``."""
        return None

    def given_up(self) -> Sequence[Any]:
        """As of ``Recovery``."""
        return ()


class RecognitionRecovery:
    """StreamingRecognize; ``config`` is what the caller asked for."""

    def __init__(
        self, config: recognition_service_pb2.RecognitionConfig, policy: ReconnectPolicy
    ) -> None:
        self._config = recognition_service_pb2.RecognitionConfig()
        self._config.CopyFrom(config)
        self._log = SentLog(config.audio, policy)
        self._channels_ms: dict[int, int] = {}
        """End of the last FINAL, by channel."""
        self._passed_ms = 0
        """Everything before it is done on every channel."""
        self._from_ms = 0
        self._last_segment_id = self._floor = 0
        self._is_resumed = False
        self._speaking: dict[int, bool] = {}
        self._heard_ms: dict[int, int] = {}
        self._unrefined: dict[int, RecognitionResult] = {}
        self._held: deque[Any] = deque()

    # --- what is sent ---

    def sent(self, message: Any, *, live: bool) -> None:
        """As of ``Recovery``."""
        kind = payload(message)
        if kind != "keep_alive":
            self._log.add(kind, message, live=live)

    # --- what comes ---

    def taken(self, event: Any) -> Sequence[Any]:
        """As of ``Recovery``. A FINAL that the server's own end has cut off waits: its audio may be sent again."""
        if self._held or self._is_cut_off(event):
            self._held.append(event)
            return ()
        return self._passed_on(event)

    def mark(self) -> object:
        """As of ``Recovery``."""
        return self._last_segment_id, self._passed_ms, len(self._unrefined)

    def _is_cut_off(self, event: Any) -> bool:
        return (
            isinstance(event, RecognitionResult)
            and event.end_cause is EndCause.END_OF_STREAM
            and not self._log.is_ended
        )

    def _release(self) -> Sequence[Any]:
        held, self._held = self._held, deque()
        return [told for event in held for told in self._passed_on(event)]

    def _passed_on(self, event: Any) -> Sequence[Any]:
        match event:
            case RecognitionResult():
                return self._result(event)
            case SpeechEvent():
                return (event,) if self._is_news(event) else ()
            case Progress():
                self._passed_ms = max(self._passed_ms, event.final_ms)
                self._done()
            case ControlAck():
                return self._acked(event)
            case ServiceWarning(reason="WORD_TIMES_UNAVAILABLE"):
                place = event.start_ms, event.end_ms
                for segment_id, final in list(self._unrefined.items()):
                    if (final.start_ms, final.end_ms) == place:
                        del self._unrefined[segment_id]
            case _:
                pass
        return (event,)

    def _result(self, result: RecognitionResult) -> Sequence[Any]:
        if result.kind is ResultKind.REFINED:
            self._unrefined.pop(result.segment_id, None)
            return (result,)
        if result.segment_id <= self._floor:
            return ()
        if result.is_final:
            self._final(result)
        return (result,)

    def _final(self, result: RecognitionResult) -> None:
        self._last_segment_id = max(self._last_segment_id, result.segment_id)
        self._channels_ms[result.channel] = result.end_ms
        if self._config.word_times and result.text.strip():
            self._unrefined[result.segment_id] = result
        self._done()

    def _is_news(self, event: SpeechEvent) -> bool:
        """Not what was told of audio that is heard again."""
        begins, channel = event.kind is SpeechEventKind.BEGIN, event.channel
        is_known = begins == self._speaking.get(channel, False)
        if self._is_resumed and (is_known or event.time_ms < self._heard_ms.get(channel, 0)):
            return False
        self._speaking[channel], self._heard_ms[channel] = begins, event.time_ms
        return True

    def _acked(self, ack: ControlAck) -> Sequence[Any]:
        entry = self._log.answered()
        if entry is None:
            return (ack,)
        was_acked, entry.is_acked = entry.is_acked, True
        if ack.error is not None or entry.kind == "finalize":
            entry.is_done = True
        elif entry.kind == "reset" and self._log.is_cut_anywhere:
            self._passed_ms = max(self._passed_ms, int(entry.at_ms))
        self._done()
        return () if was_acked else (ack,)

    # --- where it stands ---

    def _channels(self) -> list[int]:
        """Everything before it is done, by channel; of mixed channels there is one."""
        count = 1
        if self._config.separate_channels:
            count = self._config.audio.raw.channel_count or 1
            if self._config.audio.WhichOneof("format") == "opus_packets":
                count = self._config.audio.opus_packets.channel_count or 1
        return [max(self._channels_ms.get(c, 0), self._passed_ms) for c in range(count)]

    def _done(self) -> None:
        """Let go what need not be sent again; what has changed the configuration for good goes into it."""
        for entry in self._log.done_to(min(self._channels())):
            if entry.kind == "update_config":
                update = entry.message.update_config
                update.update_mask.MergeMessage(update.config, self._config, True, True)
            elif entry.kind == "reset" and not entry.message.reset.keep_context:
                self._config.ClearField("context")

    def place(self, token: str) -> common_pb2.Resume:
        """Where the stream goes on.

        Raises:
            CannotResumeError: not enough is kept.
        """
        if not token:
            raise CannotResumeError("the server gave no token to resume with")
        if self._config.separate_channels and not self._log.is_cut_anywhere:
            raise CannotResumeError("the channels of a container are recognized apart")
        channels = self._channels()
        from_ms = min(channels)
        begins_ms = self._log.begins_ms(from_ms)
        resume = common_pb2.Resume(token=token, from_ms=from_ms)
        if int(begins_ms) < from_ms:
            resume.audio_from_ms = int(begins_ms)
        if self._last_segment_id:
            resume.last_segment_id = self._last_segment_id
        if len(channels) > 1:
            resume.channel_from_ms.extend(channels)
        return resume

    # --- another call ---

    def may_move(self) -> bool:
        """As of ``Recovery``."""
        return True

    def first(self, token: str) -> Any:
        """As of ``Recovery``."""
        config = recognition_service_pb2.RecognitionConfig()
        config.CopyFrom(self._config)
        config.resume.CopyFrom(self.place(token))
        return recognition_service_pb2.StreamingRecognizeRequest(config=config)

    def resumed(self) -> Sequence[Any]:
        """As of ``Recovery``. Word times that were under way are lost."""
        self._from_ms, self._floor = min(self._channels()), self._last_segment_id
        self._log.begins_ms(self._from_ms)
        self._is_resumed = True
        self._held.clear()
        self._log.rewind()
        lost, self._unrefined = self._unrefined, {}
        return [_without_times(final) for final in lost.values()]

    def next(self) -> Any | None:
        """As of ``Recovery``."""
        return self._log.next(self._from_ms)

    def given_up(self) -> Sequence[Any]:
        """As of ``Recovery``."""
        return self._release()


def _without_times(final: RecognitionResult) -> ServiceWarning:
    message = f"segment {final.segment_id} has no word times: the connection was lost before them"
    place = final.start_ms, final.end_ms
    return ServiceWarning("WORD_TIMES_UNAVAILABLE", "config.word_times", message, *place)
