"""The recognition session: the state machine behind StreamingRecognize and Recognize.

It takes what the client said, what voice activity detection found and what the device answered, and returns
actions. It holds the order of things: acks after everything they ask for, the end after the last FINAL.

States: RUNNING --end_of_audio--> ENDING --last final sent--> DONE; any --failure--> DONE.
"""

import itertools
import operator
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from speech_service.domain.audio import (
    AudioLoss,
    Samples,
    check_session_length,
    louder,
    ms_to_samples,
    samples_to_ms,
)
from speech_service.domain.errors import (
    InvalidOptionError,
    LimitExceededError,
    OverloadedError,
    SpeechError,
    UnexpectedInputError,
)
from speech_service.domain.events import (
    ControlAck,
    ControlKind,
    Detect,
    Emit,
    Finish,
    GoingAway,
    Progress,
    SessionEnded,
    SessionStarted,
    StreamWarning,
    Usage,
)
from speech_service.domain.recognition import Pacing, RecognitionOptions
from speech_service.domain.resume import BEGINNING, ResumePoint
from speech_service.domain.work import WorkClass, WorkEvent
from speech_service.media.framing import FrameBuffer
from speech_service.sessions.latency import LatencyMeter, WorkTimes
from speech_service.sessions.lost_audio import LostAudio
from speech_service.sessions.recognition.channel import ChannelContext, RecognitionChannel
from speech_service.sessions.recognition.events import (
    RecognitionAction,
    RecognitionEvent,
    RecognitionStep,
)
from speech_service.sessions.recognition.live_line import LiveLine
from speech_service.sessions.recognition.refinement import Refinement
from speech_service.sessions.recognition.silence import VAD_FRAME_SAMPLES, hear_silence

MAX_SILENCE_MS = 600_000
MAX_OPEN_CONTROLS = 1024
"""Control messages that may wait for their ack."""


class _Phase(Enum):
    RUNNING = "running"
    ENDING = "ending"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits that the session itself holds."""

    max_lag_s: float = 60.0


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """Who the session is and how its work is to be treated."""

    session_id: str
    final_class: WorkClass = WorkClass.STREAM_FINAL
    partial_class: WorkClass = WorkClass.STREAM_PARTIAL
    traceparent: str = ""
    deadline_s: float | None = None
    bulk_after_ms: int | None = None
    """Work of audio beyond it is BACKGROUND; None: none is for its length."""


@dataclass(slots=True)
class _PendingAck:
    control_id: str
    kind: ControlKind
    finals: tuple[int, ...]
    """Per channel: how many FINALs must have been sent before the ack."""
    error: SpeechError | None = None


class RecognitionSession:
    """One stream of audio. Its first block says how many channels there are.

    Every method returns the actions to carry out, in order. After ``Finish`` nothing more is returned.
    ``clock`` gives seconds of a monotonic clock. ``resume``: where it goes on.
    """

    def __init__(
        self,
        identity: SessionIdentity,
        options: RecognitionOptions,
        clock: Callable[[], float],
        limits: SessionLimits | None = None,
        resume: ResumePoint = BEGINNING,
    ) -> None:
        self._identity = identity
        self._options = options
        self._clock = clock
        self._limits = limits or SessionLimits()
        self._state = _Phase.RUNNING
        self._latency = LatencyMeter(clock)
        work_ids, segment_ids = itertools.count(1), itertools.count(resume.last_segment_id + 1)
        stream_id = identity.session_id

        def new_work_id() -> str:
            return f"{stream_id}:{next(work_ids)}"

        self._refinement = Refinement(
            *(stream_id, new_work_id, identity.final_class, identity.deadline_s),
            *(self._latency, clock, identity.bulk_after_ms),
        )
        self._shared = ChannelContext(
            stream_id=stream_id,
            clock=clock,
            new_work_id=new_work_id,
            new_segment_id=lambda: next(segment_ids),
            final_class=identity.final_class,
            partial_class=identity.partial_class,
            traceparent=identity.traceparent,
            deadline_s=identity.deadline_s,
            bulk_after_ms=identity.bulk_after_ms,
            latency=self._latency,
            refinement=self._refinement,
        )
        self._channels: list[RecognitionChannel] = []
        self._buffers: list[FrameBuffer] = []
        self._detecting: deque[tuple[int, Samples]] = deque()
        self._resume = resume
        self._received_samples = ms_to_samples(resume.audio_from_ms)
        self._acks: deque[_PendingAck] = deque()
        self._lag_since_s: float | None = None
        self._lost = LostAudio(resume.from_ms)
        self._line = LiveLine(clock)

    # --- what the driver may ask ---

    @property
    def undecoded_ms(self) -> int:
        """Audio of closed segments that waits for its FINAL, all channels together; of a file, for word times too."""
        waiting_ms = sum(channel.undecoded_ms for channel in self._channels)
        is_file = self._options.pacing is Pacing.FILE
        return waiting_ms + (self._refinement.pending_ms if is_file else 0)

    @property
    def done(self) -> bool:
        """The session has finished."""
        return self._state is _Phase.DONE

    @property
    def work_times(self) -> WorkTimes:
        """Where the time of its work went; a session that goes on with its results adds its own."""
        return self._latency.work

    @property
    def options(self) -> RecognitionOptions:
        """The options in force."""
        return self._options

    @property
    def wake_at_s(self) -> float | None:
        """When to be woken, unless something comes before: a live client may have stopped sending. None: never."""
        if self._state is not _Phase.RUNNING or self._options.pacing is not Pacing.REALTIME:
            return None
        due = [self._line.over_s(channel.endpointing) for channel, _ in self._listening()]
        if due and not self._line.held:
            due.append(self._line.hold_s)
        return min((at_s for at_s in due if at_s is not None), default=None)

    # --- from the client ---

    def start(self) -> list[RecognitionAction]:
        """Open the session."""
        return [Emit(SessionStarted(self._identity.session_id))]

    def audio(self, samples: Samples) -> Sequence[RecognitionStep]:
        """Take audio: float32 [n, channels] at 16 kHz.

        Raises:
            InvalidOptionError: audio after ``end_of_audio``, or with another number of channels.
        """
        if self._state is _Phase.DONE:
            return []
        steps: list[RecognitionStep] = [*self._ready("audio")]
        self._open_channels(samples.shape[1])
        if samples.shape[1] != len(self._channels):
            raise InvalidOptionError(
                "audio", f"has {samples.shape[1]} channels", f"{len(self._channels)}"
            )
        known = self._receive(len(samples), "audio")
        for number, (channel, buffer) in enumerate(self._heard()):
            buffer.hold(samples[known[number] :, number])
            if 0 < buffer.whole_samples >= channel.uneventful_samples:
                steps.append(self._detect(number))
        return steps

    def catch_up(self) -> Sequence[RecognitionStep]:
        """Detect in the audio that waits. To be carried out before anything but audio is given to the session."""
        if self._state is not _Phase.RUNNING:
            return []
        waiting = enumerate(buffer.whole_samples for buffer in self._buffers)
        return [self._detect(number) for number, samples in waiting if samples]

    def silence(self, duration_ms: float) -> list[RecognitionAction]:
        """The client says that nothing was said for that long.

        Raises:
            InvalidOptionError: not within 0 to 10 minutes.
        """
        if self._state is _Phase.DONE:
            return []
        actions = self._ready("silence")
        if not 0 < duration_ms <= MAX_SILENCE_MS:
            allowed = f"more than 0 and at most {MAX_SILENCE_MS // 1000} s"
            raise InvalidOptionError("silence", "is out of range", allowed)
        samples = ms_to_samples(duration_ms)
        known = self._receive(samples, "silence")
        for number, (channel, buffer) in enumerate(self._heard()):
            actions += hear_silence(channel, buffer, max(0, samples - known[number]))
        return self._settle(actions)

    def finalize(self, control_id: str) -> list[RecognitionAction]:
        """End the open segments now; the ack follows their FINALs."""
        if self._state is _Phase.DONE:
            return []
        actions = self._ready("finalize")
        for channel, buffer in self._heard():
            actions += channel.finalize(buffer.take())
        return self._acknowledge(control_id, ControlKind.FINALIZE, actions)

    def reset(self, control_id: str, keep_context: bool) -> list[RecognitionAction]:
        """Forget the open segments without a FINAL; without ``keep_context`` the context text as well."""
        if self._state is _Phase.DONE:
            return []
        actions = self._ready("reset")
        if not keep_context:
            self._options = replace(self._options, context="")
        for channel, buffer in self._heard():
            actions += channel.reset(buffer.take())
            channel.update(self._options)
        return self._acknowledge(control_id, ControlKind.RESET, actions)

    def update(self, options: RecognitionOptions, control_id: str) -> list[RecognitionAction]:
        """Go on with other options from the next segment on; validation is the caller's."""
        if self._state is _Phase.DONE:
            return []
        actions = self._ready("update_config")
        self._options = options
        for channel in self._channels:
            channel.update(options)
        return self._acknowledge(control_id, ControlKind.UPDATE_CONFIG, actions)

    def refuse(
        self, kind: ControlKind, control_id: str, error: SpeechError, context_id: str = ""
    ) -> list[RecognitionAction]:
        """Acknowledge, in its turn, a control message that is not carried out."""
        del context_id
        if self._state is _Phase.DONE:
            return []
        return self._acknowledge(control_id, kind, self._ready(kind.value), error)

    def end_of_input(self) -> list[RecognitionAction]:
        """No more audio: transcribe what is buffered, then end. Saying it twice is harmless."""
        if self._state is not _Phase.RUNNING:
            return []
        actions = self._ready("end_of_audio")
        self._state = _Phase.ENDING
        for channel, buffer in self._heard():
            actions += channel.finish(buffer.take())
        return self._settle(actions)

    # --- from the driver ---

    def probabilities(self, probabilities: Samples) -> list[RecognitionAction]:
        """The answer to the oldest open ``Detect``: float32 [k]."""
        if self._state is _Phase.DONE:
            return []
        channel, frames = self._detecting.popleft()
        return self._settle(self._channels[channel].frames(frames, probabilities.tolist()))

    def work_event(self, event: WorkEvent) -> list[RecognitionAction]:
        """The outcome of submitted work."""
        if self._state is _Phase.DONE:
            return []
        if self._refinement.owns(event):
            return self._settle(self._refinement.work_event(event))
        actions = [a for channel in self._channels for a in channel.work_event(event)]
        failed = next((a for a in actions if isinstance(a, Finish)), None)
        return self.fail(failed.error) if failed and failed.error else self._settle(actions)

    def wake(self) -> Sequence[RecognitionStep]:
        """It is as late as was asked for. What waits is heard first; then the session asks again at once."""
        at_s = self.wake_at_s
        if at_s is None or at_s > self._clock():
            return []
        unheard = self.catch_up()
        if unheard:
            return unheard
        actions: list[RecognitionAction] = []
        if not self._line.held:
            self._line.held = True
            for channel, buffer in self._listening():
                actions += channel.hold(buffer.take())
        for channel, _ in self._listening():
            if self._line.is_over(channel.endpointing):
                actions += channel.hush()
        return self._settle(actions)

    def tick(self) -> list[RecognitionAction]:
        """Time passed: report progress, give up late word times, and a live stream that lags too much for too long."""
        received = self._received_samples
        lag = max((channel.lag_samples(received) for channel in self._channels), default=0)
        lag_ms = samples_to_ms(lag)
        if self._options.pacing is Pacing.REALTIME and self._lags(lag_ms):
            return self.fail(
                OverloadedError(
                    f"recognition lags {lag_ms} ms behind the audio; retry later",
                    reason="LAG_TOO_LARGE",
                    retry_after_ms=5000,
                )
            )
        late = [] if self._state is _Phase.DONE else self._settle(self._refinement.tick())
        return [*late, *self._tell(self.progress())]

    def warn(self, warning: StreamWarning) -> list[RecognitionAction]:
        """Tell the client something that is no error."""
        return self._tell(warning)

    def lost(self, loss: AudioLoss, passed_ms: int) -> None:
        """A part of the encoded audio is missing; the client is told once it has its FINALs.

        Args:
            loss: in milliseconds of the encoded audio.
            field: path of the request field that carries it.
            passed_ms: how much of it the session has; it may have silence besides.
        """
        self._lost.add(loss, samples_to_ms(self._received_samples) - passed_ms)

    def going_away(self, drain_ms: int) -> list[RecognitionAction]:
        """The server drains: what was received still gets its FINAL."""
        return self._tell(GoingAway(drain_ms))

    def last_words(self) -> list[RecognitionAction]:
        """FINALs, and word times, that wait for those before them. ``fail`` comes next."""
        finals = [action for channel in self._channels for action in channel.last_words()]
        return [*finals, *self._refinement.last_words()]

    def fail(self, error: SpeechError) -> list[RecognitionAction]:
        """End with an error; all work is given up."""
        if self._state is _Phase.DONE:
            return []
        self._state = _Phase.DONE
        self._detecting.clear()
        self._acks.clear()
        cancels = [action for channel in self._channels for action in channel.cancel()]
        return [*cancels, *self._refinement.cancel(), Finish(error)]

    def progress(self) -> Progress:
        """The cursors now."""
        received = self._received_samples
        cursors = [channel.cursors() for channel in self._channels]
        decoded = min((decoded for decoded, _ in cursors), default=received)
        decoded = min(decoded, received)  # what was done by an earlier call is yet to come again
        return Progress(
            received_ms=samples_to_ms(received),
            decoded_ms=samples_to_ms(decoded),
            final_ms=samples_to_ms(min((final for _, final in cursors), default=received)),
            lag_ms=samples_to_ms(received - decoded),
        )

    def ended(self) -> SessionEnded:
        """Usage and latency so far, of this call."""
        heard_ms = samples_to_ms(self._received_samples) - self._resume.audio_from_ms
        usage = Usage(
            audio_in_ms=heard_ms * max(1, len(self._channels)),
            speech_ms=samples_to_ms(sum(c.speech_samples for c in self._channels)),
            characters_out=sum(c.characters_out for c in self._channels),
            tokens_out=sum(c.tokens_out for c in self._channels),
        )
        return SessionEnded(usage, self._latency.summary())

    # --- order ---

    def _open_channels(self, count: int) -> None:
        """The first audio says how many channels there are; silence before it is the start of each. Raises where
        another number is resumed."""
        if self._channels:
            return
        resumed = len(self._resume.channels_from_ms)
        if resumed and resumed != count:
            problem = f"has {resumed} times, and the audio {count} channels"
            raise InvalidOptionError("resume.channel_from_ms", problem, f"{count} times")
        received, resume = self._received_samples, self._resume
        begins = [received + resume.known_samples(c, received) for c in range(count)]
        self._channels = [
            RecognitionChannel(c, self._options, self._shared, at) for c, at in enumerate(begins)
        ]
        self._buffers = [FrameBuffer(VAD_FRAME_SAMPLES) for _ in range(count)]

    def _receive(self, samples: int, kind: str) -> list[int]:
        """Count what comes; returns how much of it an earlier call has done, for each channel."""
        received, channels = self._received_samples, range(len(self._channels))
        check_session_length(received + samples, kind)
        self._received_samples += samples
        self._line.heard(samples_to_ms(samples))
        return [self._resume.known_samples(number, received) for number in channels]

    def _heard(self) -> Iterable[tuple[RecognitionChannel, FrameBuffer]]:
        return zip(self._channels, self._buffers, strict=True)

    def _listening(self) -> list[tuple[RecognitionChannel, FrameBuffer]]:
        """Channels on which somebody speaks."""
        return [heard for heard in self._heard() if not heard[0].idle]

    def _detect(self, channel: int) -> Detect:
        frames = self._buffers[channel].frames()
        self._detecting.append((channel, frames))
        return Detect(channel, louder(frames, self._options.endpointing.gain_db))

    def _ready(self, kind: str) -> list[RecognitionAction]:
        """Check that a client message may come now.

        A driver that was stopped while it awaited voice activity (the server drains) leaves frames without an
        answer: they are taken as the frame before them was, so that none is lost.
        """
        if self._state is not _Phase.RUNNING:
            problem, allowed = "came after end_of_audio", "nothing after end_of_audio"
            raise UnexpectedInputError(kind, problem, allowed)
        actions: list[RecognitionAction] = []
        while self._detecting:
            channel, frames = self._detecting.popleft()
            actions += self._channels[channel].frames(frames, None)
        return actions

    def _tell(self, event: RecognitionEvent) -> list[RecognitionAction]:
        return [] if self._state is _Phase.DONE else [Emit(event)]

    def _acknowledge(
        self,
        control_id: str,
        kind: ControlKind,
        actions: list[RecognitionAction],
        error: SpeechError | None = None,
    ) -> list[RecognitionAction]:
        if len(self._acks) >= MAX_OPEN_CONTROLS:
            raise LimitExceededError("control_id", "max_open_controls", MAX_OPEN_CONTROLS)
        needed = tuple(channel.segments_closed for channel in self._channels)
        self._acks.append(_PendingAck(control_id, kind, needed, error))
        return self._settle(actions)

    def _settle(self, actions: list[RecognitionAction]) -> list[RecognitionAction]:
        """Add the acks and the end that have become due."""
        settled = [*actions, *self._due_acks()]
        waiting = self._refinement or any(channel.pending_finals for channel in self._channels)
        if self._state is _Phase.ENDING and not waiting:
            self._state = _Phase.DONE
            settled += [*self._lost.warnings(), Emit(self.ended()), Finish()]
        return settled

    def _due_acks(self) -> list[RecognitionAction]:
        sent = [channel.finals_sent for channel in self._channels]
        due: list[RecognitionAction] = []
        while self._acks and all(map(operator.le, self._acks[0].finals, sent)):
            ack = self._acks.popleft()
            newest = self._last_final_segment()
            due.append(Emit(ControlAck(ack.control_id, ack.kind, newest, error=ack.error)))
        return due

    def _last_final_segment(self) -> int | None:
        known = [c.last_final_segment for c in self._channels if c.last_final_segment is not None]
        return max(known, default=None)

    def _lags(self, lag_ms: int) -> bool:
        """True once the lag has been above the limit for as long as the limit."""
        now_s = self._clock()
        if lag_ms <= self._limits.max_lag_s * 1000:
            self._lag_since_s = None
            return False
        if self._lag_since_s is None:
            self._lag_since_s = now_s
        return now_s - self._lag_since_s > self._limits.max_lag_s
