"""The synthesis session: the state machine behind StreamingSynthesize, SynthesizeChunked and Synthesize.

Text comes in contexts and is cut into pieces; a piece is one work item. At most two are on the device, so that one is
spoken while the one before it is sent. The second follows when the first begins to sound: the first sound of one
session does not wait for the second piece of another. Pieces go in the order of their contexts' first text, and their
audio leaves in that order; a context that waits for text holds up no other. Nothing is submitted while too much audio
waits for a client that does not read.

An ack comes at once, in the order of the control messages, for ``ContextEnded`` says when and how a context ended. That
of a flush that keeps its context comes when what it flushed is spoken, for nothing else says so. A context can be
cancelled until its end was handed to the client.

States: RUNNING --end_of_text--> ENDING --last context ended--> FLUSHING --all was sent on--> DONE;
any --failure--> DONE.
"""

import itertools
from collections import deque
from collections.abc import Callable
from enum import Enum

from speech_service.domain.errors import (
    CancelledWorkError,
    InvalidOptionError,
    LimitExceededError,
    SpeechError,
)
from speech_service.domain.events import (
    Cancel,
    ContextOutcome,
    ControlAck,
    ControlKind,
    Emit,
    Finish,
    GoingAway,
    SessionEnded,
    SessionStarted,
    StreamWarning,
    Submit,
    Usage,
)
from speech_service.domain.synthesis import SPEECH_CUT, SpeechFinish, SynthesisOptions
from speech_service.domain.work import (
    SpeechMade,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.synthesis.context import (
    NOTHING_TO_SPEAK,
    SpeechContext,
    SpokenPiece,
    SynthesisIdentity,
    SynthesisLimits,
    is_cut,
    says_nothing,
    speech_work,
)
from speech_service.sessions.synthesis.events import SynthesisAction, SynthesisEvent
from speech_service.sessions.synthesis.word_times import SpokenWords
from speech_service.text.sentences.cutter import SentenceSplitter

MAX_ON_DEVICE = 2
MAX_OPEN_CONTROLS = 1024
"""Flushes that may wait for their acks."""


class _SynthesisState(Enum):
    RUNNING = "running"
    ENDING = "ending"
    FLUSHING = "flushing"
    DONE = "done"


class SynthesisSession:
    """Every method returns the actions to carry out, in order. After ``Finish`` nothing more is returned."""

    def __init__(
        self,
        identity: SynthesisIdentity,
        options: SynthesisOptions,
        clock: Callable[[], float],
        limits: SynthesisLimits | None = None,
    ) -> None:
        """``clock`` gives seconds of a monotonic clock."""
        self._identity = identity
        self._options = options
        self._clock = clock
        self._limits = limits or SynthesisLimits()
        self._state = _SynthesisState.RUNNING
        self._latency = LatencyMeter(clock)
        self._contexts: dict[int, SpeechContext] = {}
        self._line: deque[SpokenPiece] = deque()
        self._turns = itertools.count(1)
        self._work_ids = itertools.count(1)
        self._words = SpokenWords(identity, self._new_work_id, clock)
        self._characters = 0
        self._notices = 0
        self._heard_until_s = 0.0
        """When a listener who hears what is made as it comes will have heard all of it."""

    # --- what the driver may ask ---

    @property
    def undecoded_ms(self) -> int:
        """Always 0: reading never stops for text, which is bounded, or a cancel could not be heard."""
        return 0

    @property
    def done(self) -> bool:
        """The session has finished."""
        return self._state is _SynthesisState.DONE

    @property
    def wake_at_s(self) -> float | None:
        """When to be woken, unless something comes before: the next pause of a context is over. None: never."""
        pauses = [c.rest_at_s for c in self._contexts.values() if c.rest_at_s is not None]
        return min(pauses, default=None)

    @property
    def options(self) -> SynthesisOptions:
        """Those of contexts that open now."""
        return self._options

    def options_of(self, context_id: str) -> SynthesisOptions:
        """Those of the context that text of this id goes to, or would open."""
        context = self._growing(context_id)
        return self._options if context is None else context.options

    @property
    def unsent_ms(self) -> float:
        """Audio that was made and that the client has not taken."""
        return sum(context.unsent_ms for context in self._contexts.values())

    # --- from the client ---

    def start(self) -> list[SynthesisAction]:
        """Open the session."""
        return [Emit(SessionStarted(self._identity.session_id))]

    def text(self, context_id: str, text: str) -> list[SynthesisAction]:
        """More text of a context; the first opens it.

        Raises:
            InvalidOptionError: text after ``end_of_text``.
            LimitExceededError: too much text, or too many contexts.
        """
        if self._state is _SynthesisState.DONE:
            return []
        self._ready("text")
        if not text:
            return []
        context = self._growing(context_id) or self._open(context_id)
        now_s = self._clock()
        context.push(text, self._limits.max_text_characters, now_s)
        self._characters += len(text)
        self._latency.speech_began(now_s)
        return self._settle([])

    def flush(
        self, context_id: str, control_id: str, *, keep_open: bool = False
    ) -> list[SynthesisAction]:
        """Speak all text of a context, and end it unless it is kept open.

        Raises:
            InvalidOptionError: a flush after ``end_of_text``.
            LimitExceededError: too many wait for their acks.
        """
        if self._state is _SynthesisState.DONE:
            return []
        self._ready("flush")
        ack = ControlAck(control_id, ControlKind.FLUSH, context_id=context_id)
        context = self._growing(context_id)
        if context is None or not keep_open:
            if context is not None:
                context.flush()
            return self._settle([Emit(ack)])
        if sum(len(each.flushes) for each in self._contexts.values()) >= MAX_OPEN_CONTROLS:
            raise LimitExceededError("flush.control_id", "max_open_controls", MAX_OPEN_CONTROLS)
        context.flush(ack)
        return self._settle([])

    def cancel(self, context_id: str, control_id: str) -> list[SynthesisAction]:
        """Stop a context, or all with an empty id, at once."""
        if self._state is _SynthesisState.DONE:
            return []
        self._ready("cancel")
        ack = ControlAck(control_id, ControlKind.CANCEL, context_id=context_id)
        concerned = [
            c for c in self._contexts.values() if c.may_stop and context_id in ("", c.context_id)
        ]
        cancels = [action for context in concerned for action in self._give_up(context)]
        flushes = [answer for context in concerned for answer in _answers(context)]
        ends: list[SynthesisAction] = [Emit(c.end(ContextOutcome.CANCELLED)) for c in concerned]
        return self._settle([*cancels, *flushes, Emit(ack), *ends])

    def update(self, options: SynthesisOptions, control_id: str) -> list[SynthesisAction]:
        """Options of the contexts that open later; validation is the caller's."""
        if self._state is _SynthesisState.DONE:
            return []
        self._ready("update_config")
        self._options = options
        return [Emit(ControlAck(control_id, ControlKind.UPDATE_CONFIG))]

    def refuse(
        self, kind: ControlKind, control_id: str, error: SpeechError, context_id: str = ""
    ) -> list[SynthesisAction]:
        """Acknowledge a control message that is not carried out."""
        if self._state is _SynthesisState.DONE:
            return []
        self._ready(kind.value)
        return [Emit(ControlAck(control_id, kind, context_id=context_id, error=error))]

    def end_of_text(self) -> list[SynthesisAction]:
        """No more text: speak everything, then end. Saying it twice is harmless."""
        if self._state is not _SynthesisState.RUNNING:
            return []
        self._state = _SynthesisState.ENDING
        for context in self._contexts.values():
            if not context.flushed and not context.ended:
                context.flush()
        return self._settle([])

    # --- from the driver ---

    def work_event(self, event: WorkEvent) -> list[SynthesisAction]:
        """What came back of submitted work; work that was given up is unknown here."""
        if self._words.owns(event):
            return self._settle(self._words.work_event(event))
        spoken = next((s for s in self._line if s.work.work_id == event.work_id), None)
        if self._state is _SynthesisState.DONE or spoken is None:
            return []
        if isinstance(event, WorkAudio):
            spoken.take(event)
            lasts_s = len(event.samples) / event.sample_rate_hz
            self._heard_until_s = max(self._heard_until_s, self._clock()) + lasts_s
        else:
            spoken.end = event
        return self._settle(self._advance())

    def sent(self, turn: int, audio_ms: float) -> list[SynthesisAction]:
        """The client took that much of a context's audio, in milliseconds as the model made it."""
        context = self._contexts.get(turn)
        if context is None or self._state is _SynthesisState.DONE:
            return []
        context.unsent_ms = max(0.0, context.unsent_ms - audio_ms)
        return self._settle([])

    def end_sent(self, turn: int) -> list[SynthesisAction]:
        """The client was told that the context ended: it is forgotten."""
        self._contexts.pop(turn, None)
        return [] if self._state is _SynthesisState.DONE else self._settle([])

    def output_failed(self, turn: int, error: SpeechError) -> list[SynthesisAction]:
        """A context's audio could not be encoded."""
        context = self._contexts.get(turn)
        if context is None or not context.may_stop or self._state is _SynthesisState.DONE:
            return []
        return self._settle(self._fail_context(context, error))

    def delivered(self) -> list[SynthesisAction]:
        """Everything up to ``SessionEnded`` is on its way to the client."""
        if self._state is not _SynthesisState.FLUSHING:
            return []
        self._state = _SynthesisState.DONE
        return [Finish()]

    def wake(self) -> list[SynthesisAction]:
        """It is as late as was asked for: contexts whose text has paused speak what is finished."""
        now_s = self._clock()
        for context in self._contexts.values():
            if context.rest_at_s is not None and context.rest_at_s <= now_s:
                context.rest(now_s)
        return self._settle([])

    def tick(self) -> list[SynthesisAction]:
        """Time passed: give up late word timings. Nothing is reported: there is no audio to be behind of."""
        return self._settle(self._words.tick())

    def warn(self, warning: StreamWarning) -> list[SynthesisAction]:
        """Tell the client something that is no error."""
        return self._tell(warning)

    def expect_notice(self) -> None:
        """Something is being found out that the client may have to be told: the session does not end before."""
        self._notices += 1

    def notice(self, warning: StreamWarning | None) -> list[SynthesisAction]:
        """What was found out; None: nothing."""
        if self._state is _SynthesisState.DONE:
            return []
        self._notices -= 1
        return self._settle([Emit(warning)] if warning is not None else [])

    def going_away(self, drain_ms: int) -> list[SynthesisAction]:
        """The server drains: what was received is still spoken."""
        return self._tell(GoingAway(drain_ms))

    def last_words(self) -> list[SynthesisAction]:
        """Word times that wait for those before them. ``fail`` comes next."""
        return [] if self._state is _SynthesisState.DONE else self._words.last_words()

    def fail(self, error: SpeechError) -> list[SynthesisAction]:
        """End with an error; all work is given up."""
        if self._state is _SynthesisState.DONE:
            return []
        self._state = _SynthesisState.DONE
        cancels: list[SynthesisAction] = [
            Cancel(s.work.work_id) for s in self._line if s.end is None
        ]
        cancels += self._words.cancel()
        self._line.clear()
        self._contexts.clear()
        return [*cancels, Finish(error)]

    def ended(self) -> SessionEnded:
        """Usage and latency so far; what was sent is for the output to fill in."""
        usage = Usage(characters_in=self._characters)
        return SessionEnded(usage, self._latency.summary())

    # --- contexts ---

    def _ready(self, field: str) -> None:
        if self._state is not _SynthesisState.RUNNING:
            raise InvalidOptionError(
                field, "came after end_of_text", "nothing after end_of_text", reason="OUT_OF_ORDER"
            )

    def _growing(self, context_id: str) -> SpeechContext | None:
        """The context of that id that takes text; one that was flushed or ended does not, its id may open again."""
        return next(
            (
                c
                for c in self._contexts.values()
                if c.context_id == context_id and not c.flushed and not c.ended
            ),
            None,
        )

    def _open(self, context_id: str) -> SpeechContext:
        if len(self._contexts) >= self._limits.max_contexts:
            raise LimitExceededError("text.context_id", "max_contexts", self._limits.max_contexts)
        options = self._options
        splitter = SentenceSplitter(options.segmentation, options.language)
        context = SpeechContext(next(self._turns), context_id, options, splitter)
        self._contexts[context.turn] = context
        return context

    def _give_up(self, context: SpeechContext) -> list[SynthesisAction]:
        """Stop its work; its audio is counted no longer."""
        gone = [s for s in self._line if s.context is context]
        self._line = deque(s for s in self._line if s.context is not context)
        context.pieces.clear()
        context.in_line = 0
        context.flushed, context.rest_at_s = True, None
        context.unsent_ms = 0.0
        self._heard_until_s = 0.0
        cancels: list[SynthesisAction] = [Cancel(s.work.work_id) for s in gone if s.end is None]
        return [*cancels, *self._words.give_up(context)]

    def _fail_context(self, context: SpeechContext, error: SpeechError) -> list[SynthesisAction]:
        if self._identity.single:
            return self.fail(error)
        given_up = [*self._give_up(context), *_answers(context)]
        return [*given_up, Emit(context.end(ContextOutcome.FAILED, error))]

    # --- the line ---

    def _advance(self) -> list[SynthesisAction]:
        """Emit what is next in line."""
        actions: list[SynthesisAction] = []
        while self._line and self._state is not _SynthesisState.DONE:
            spoken = self._line[0]
            if again := self._again(spoken):
                return [*actions, *again]
            if spoken.end is not None or self._identity.tries == 1:
                actions += [Emit(samples) for samples in spoken.take_audio()]
            if spoken.end is None:
                break
            self._line.popleft()
            spoken.context.in_line -= 1
            actions += self._piece_ended(spoken)
            actions += self._end_if_over(spoken.context)
        return actions

    def _again(self, spoken: SpokenPiece) -> list[SynthesisAction]:
        """Another try where the model ran to its limit and nobody has heard it yet."""
        if spoken.tried >= self._identity.tries or not is_cut(spoken.end):
            return []
        return [Submit(spoken.again(self._new_work_id()))]

    def _piece_ended(self, spoken: SpokenPiece) -> list[SynthesisAction]:
        context = spoken.context
        match spoken.end:
            case WorkDone(outcome=SpeechMade() as made, timing=timing):
                self._latency.work_done(timing)
                context.unspoken += len(made.unspoken)
                if is_cut(spoken.end):
                    context.finish = SpeechFinish.LENGTH_LIMIT
                return self._words.spoken(spoken, made)
            case WorkFailed(error=error) if says_nothing(error):
                context.silent_error = error
                context.unspoken += 1
                return []
            case WorkFailed(error=error):
                return self._fail_context(context, error)
            case _:
                return self._fail_context(context, CancelledWorkError("the work was given up"))

    def _end_if_over(self, context: SpeechContext) -> list[SynthesisAction]:
        """Acks that have become due, and the end."""
        if self._state is _SynthesisState.DONE:
            return []
        actions = _answers(context)
        if not context.over:
            return actions
        if context.silent_error is not None and not context.samples:
            return [*actions, *self._fail_context(context, context.silent_error)]
        if context.finish is SpeechFinish.LENGTH_LIMIT:
            message = "the model was stopped at its limit: the speech is not all of the text; try another seed"
            actions.append(Emit(StreamWarning(SPEECH_CUT, "text", message)))
        if context.unspoken:
            message = "some of the text is nothing that the voice can say, and was left out"
            actions.append(Emit(StreamWarning("UNSPOKEN_TEXT", "text", message)))
        elif not context.samples:
            message = "the context held nothing that can be spoken"
            actions.append(Emit(StreamWarning(NOTHING_TO_SPEAK, "text", message)))
        return [*actions, Emit(context.end(ContextOutcome.DONE))]

    def _settle(self, actions: list[SynthesisAction]) -> list[SynthesisAction]:
        """Add what has become due: new work, ends of contexts, the end of the session."""
        if self._state is _SynthesisState.DONE:
            return actions
        settled = [*actions, *self._submit()]
        for context in list(self._contexts.values()):
            settled += self._end_if_over(context)
        all_ended = all(c.ended for c in self._contexts.values())
        if self._state is _SynthesisState.ENDING and all_ended and not self._notices:
            self._state = _SynthesisState.FLUSHING
            settled.append(Emit(self.ended()))
        return settled

    def _submit(self) -> list[SynthesisAction]:
        actions: list[SynthesisAction] = []
        while self._has_room():
            context = next((c for c in self._contexts.values() if c.pieces), None)
            if context is None:
                break
            piece = context.pieces.popleft()
            work_id, ahead_ms = self._new_work_id(), self._ahead_ms
            work = speech_work(self._identity, work_id, context.options, piece.text, ahead_ms)
            context.in_line += 1
            self._line.append(SpokenPiece(context, piece, work, self._clock()))
            actions.append(Submit(work))
        return actions

    def _has_room(self) -> bool:
        """Whether another piece may go to the device."""
        if self.unsent_ms >= self._limits.ahead_ms or not self._words.has_room:
            return False
        return len(self._line) < MAX_ON_DEVICE and all(s.began or s.end for s in self._line)

    @property
    def _ahead_ms(self) -> float:
        """Speech that the listener hears before the next piece: what is left, or not even taken, and what is coming."""
        left_ms = max(self.unsent_ms, (self._heard_until_s - self._clock()) * 1000, 0.0)
        return left_ms + sum(spoken.coming_ms for spoken in self._line)

    def _new_work_id(self) -> str:
        return f"{self._identity.session_id}:{next(self._work_ids)}"

    def _tell(self, event: SynthesisEvent) -> list[SynthesisAction]:
        return (
            [] if self._state in (_SynthesisState.FLUSHING, _SynthesisState.DONE) else [Emit(event)]
        )


def _answers(context: SpeechContext) -> list[SynthesisAction]:
    return [Emit(ack) for ack in context.answered()]
