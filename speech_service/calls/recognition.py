"""What both recognition RPCs open: a session that is fed with audio."""

import time

from speech_service.calls.audio.fed_session import FedSession
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.driver import OnEvent
from speech_service.calls.requests.recognition import RecognitionRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import RawFormat
from speech_service.domain.call import Call
from speech_service.domain.resume import BEGINNING, ResumePoint
from speech_service.domain.work import WorkClass
from speech_service.media.decode.limits import DecodeLimits
from speech_service.sessions.recognition.events import RecognitionEvent
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionIdentity,
    SessionLimits,
)

FedRecognition = FedSession[RecognitionSession, RecognitionEvent]


def identity_of(call: Call, natural_classes: tuple[WorkClass, WorkClass]) -> SessionIdentity:
    """Whose work it is, and how urgent. ``natural_classes``: of what is final, and of what is not."""
    final_class, partial_class = (
        effective_class(call.priority, natural) for natural in natural_classes
    )
    return SessionIdentity(
        call.session_id,
        final_class,
        partial_class,
        call.traceparent,
        call.deadline_s,
        LONG_CALL_MS if final_class is WorkClass.UNARY else None,
    )


def channels_of(request: RecognitionRequest) -> int:
    """Channels that are recognized one by one; those of a container are not known yet, and count as one."""
    audio = request.audio
    if request.options.separate_channels and isinstance(audio, RawFormat):
        return audio.channel_count
    return 1


def open_recognition(
    tools: SessionTools,
    audio: AudioInput,
    call: Call,
    request: RecognitionRequest,
    natural_classes: tuple[WorkClass, WorkClass],
    limits: DecodeLimits,
    session_limits: SessionLimits,
    on_event: OnEvent[RecognitionEvent],
    resume: ResumePoint = BEGINNING,
) -> FedRecognition:
    """Start the session, or go on with it, with what the client is to be warned of."""
    call.opened(request.model.name)
    identity, options = identity_of(call, natural_classes), request.options
    session = RecognitionSession(identity, options, time.monotonic, session_limits, resume)
    runner = tools.runner(session, call, options.pacing, on_event)
    for actions in (session.start(), *map(session.warn, request.warnings)):
        runner.perform_now(actions)
    return FedSession(
        call,
        runner,
        audio,
        request.audio,
        limits,
        separate_channels=options.separate_channels,
    )
