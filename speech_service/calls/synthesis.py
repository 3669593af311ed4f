"""What the synthesis RPCs open: a session, its runner, and the output that encodes its speech."""

import asyncio
import time
from dataclasses import dataclass

from loguru import logger

from speech_service.calls.requests.synthesis import SynthesisRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.audio_cache import AudioCache
from speech_service.calls.speech.contexts import ContextOutput, Sink
from speech_service.calls.speech.playback_clock import PlaybackClock
from speech_service.calls.speech.spoken_language import KnownLanguages, SpokenLanguage
from speech_service.config.tree import SynthesisConfig
from speech_service.dispatch.policy import effective_class
from speech_service.domain.call import Call
from speech_service.domain.errors import LimitExceededError, SpeechError, too_many_characters
from speech_service.domain.synthesis import Segmentation
from speech_service.domain.work import WorkClass
from speech_service.media.encode.encoder import EncoderPool
from speech_service.sessions.synthesis.context import (
    TEXT_SETTING,
    SynthesisIdentity,
    SynthesisLimits,
)
from speech_service.sessions.synthesis.session import SynthesisSession
from speech_service.text.clean import check_speakable

_UNARY_TRIES = 3
"""Of speech that is cut at the model's limit; a stream's is on its way by then."""
_TEXT_STEP = 4096


def tries_of(natural_class: WorkClass) -> int:
    """How often a piece is spoken whose speech is cut, in a call whose work is of that class."""
    return _UNARY_TRIES if natural_class is WorkClass.UNARY else 1


@dataclass(frozen=True, slots=True)
class SpeechTools:
    """What speech of every call is made with. ``identifier``: the model that tells the language of text."""

    config: SynthesisConfig
    encoders: EncoderPool
    cache: AudioCache
    identifier: str
    known_languages: KnownLanguages


class OpenedSynthesis:
    """A session with its output. Implements ``Feedback``."""

    def __init__(
        self,
        tools: SessionTools,
        speech: SpeechTools,
        call: Call,
        request: SynthesisRequest,
        natural_class: WorkClass,
        sink: Sink,
        *,
        single: bool,
    ) -> None:
        """``single``: one context, whose failure fails the call."""
        call.opened(request.model.name)
        self._call = call
        config = speech.config
        identity = SynthesisIdentity(
            call.session_id,
            effective_class(call.priority, natural_class),
            call.deadline_s,
            single,
            tries=tries_of(natural_class),
        )
        limits = self._limits = SynthesisLimits(
            config.max_text_characters, config.max_contexts, config.ahead_ms
        )
        session = SynthesisSession(identity, request.options, time.monotonic, limits)
        playback = None if natural_class is WorkClass.UNARY else PlaybackClock()
        self.request = request
        """What contexts that open now are spoken with."""
        self._language = SpokenLanguage(tools, speech.identifier, speech.known_languages, call)
        self._judging: set[asyncio.Task[None]] = set()
        self.output = ContextOutput(
            speech.encoders, sink, self, tools.observer, call.rpc_type, playback
        )
        self.runner = tools.runner(session, call, None, self.output.put)

    def start(self) -> None:
        """Open the session, and tell the client what was left out."""
        self.runner.perform_now(self.session.start())
        self.warn(self.request)

    @property
    def session(self) -> SynthesisSession:
        """The state machine."""
        return self.runner.session

    async def text(self, context_id: str, text: str) -> None:
        """More text of a context. A long one is taken bit by bit, so that others have their turn."""
        self.output.text_came()
        limit = self._limits.max_text_characters
        if len(text) > limit:
            problem = too_many_characters(len(text), TEXT_SETTING)
            raise LimitExceededError("text.text", "max_text_characters", limit, problem)
        # A message is a piece of its own in IMMEDIATE, and cutting it is quick.
        mode = self.session.options_of(context_id).segmentation
        step = len(text) if mode is Segmentation.IMMEDIATE else _TEXT_STEP
        for at in range(0, len(text), step or 1):
            self.runner.perform_now(self.session.text(context_id, text[at : at + step]))
            if at + step < len(text):
                await asyncio.sleep(0)
        self._judge(self._language.heard(context_id, text))

    def text_ended(self, context_id: str) -> None:
        """The context is flushed: its language can be found out. Call it before the session is told."""
        self._judge(self._language.ended(context_id))
        self._language.opened_again(context_id)

    def end_of_text(self) -> None:
        """Speak what is there, then end."""
        for context_id in self._language.waiting:
            self._judge(self._language.ended(context_id))
        self.runner.perform_now(self.session.end_of_text())

    def _judge(self, text: str | None) -> None:
        """Find out beside the speech whether the voice speaks the language; the session waits with its end."""
        request = self.request
        if text is None or request.wanted.language or self.session.done:
            return
        self.session.expect_notice()
        task = asyncio.create_task(self._tell_language(text, request))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _tell_language(self, text: str, request: SynthesisRequest) -> None:
        warning = None
        try:
            warning = await self._language.judge(text, request)
        except SpeechError as error:
            logger.debug("the language of a text was not found out ({})", error.reason)
        self.runner.perform_now(self.session.notice(warning))

    def warn(self, request: SynthesisRequest) -> None:
        """Tell the client what was left out."""
        for warning in request.warnings:
            actions = self.session.warn(warning)
            self.runner.perform_now(actions)

    def audio_sent(self, turn: int, audio_ms: float) -> None:
        self.runner.perform_now(self.session.sent(turn, audio_ms))
        self.runner.changed.set()

    def end_sent(self, turn: int) -> None:
        self.runner.perform_now(self.session.end_sent(turn))

    def failed(self, turn: int, error: SpeechError) -> None:
        self.runner.perform_now(self.session.output_failed(turn, error))

    def delivered(self) -> None:
        self.runner.perform_now(self.session.delivered())

    async def close(self) -> None:
        """Free the encoders; note what a call that failed had used."""
        for task in self._judging:
            task.cancel()
        call, ended = self._call, self.session.ended()
        if call.usage is None:
            call.finished(ended.usage, ended.latency)
        self.runner.close(None)
        await self.output.close()


def check_text(text: str, limit: int) -> None:
    """Refuse text that is too long or says nothing.

    Raises:
        InvalidOptionError: it says nothing.
        LimitExceededError: it is too long.
    """
    if len(text) > limit:
        problem = too_many_characters(len(text), TEXT_SETTING)
        raise LimitExceededError("text", "max_text_characters", limit, problem)
    check_speakable(text)
