"""What both alignment RPCs open: a session that is fed with audio."""

import time

from speech_service.calls.audio.fed_session import FedSession
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.driver import OnEvent
from speech_service.calls.requests.alignment import AlignmentRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.call import Call
from speech_service.domain.resume import BEGINNING, ResumePoint
from speech_service.domain.work import WorkClass
from speech_service.media.decode.limits import DecodeLimits
from speech_service.sessions.alignment.events import AlignmentEvent
from speech_service.sessions.alignment.session import (
    AlignmentIdentity,
    AlignmentPace,
    AlignmentSession,
)

FedAlignment = FedSession[AlignmentSession, AlignmentEvent]


def open_alignment(
    tools: SessionTools,
    audio: AudioInput,
    call: Call,
    request: AlignmentRequest,
    natural_classes: tuple[WorkClass, WorkClass],
    limits: DecodeLimits,
    on_event: OnEvent[AlignmentEvent],
    pace: AlignmentPace | None = None,
    resume: ResumePoint = BEGINNING,
) -> FedAlignment:
    """Start the session, or go on with it, with what the client is to be warned of.

    ``natural_classes``: of windows that the client waits for, and of the others.
    """
    call.opened(request.options.model)
    urgent, other = (effective_class(call.priority, natural) for natural in natural_classes)
    bulk_over_ms = LONG_CALL_MS if urgent is WorkClass.UNARY else None
    identity = AlignmentIdentity(call.session_id, other, urgent, call.deadline_s, bulk_over_ms)
    session = AlignmentSession(identity, request.options, time.monotonic, pace, resume)
    runner = tools.runner(session, call, request.options.pacing, on_event)
    for actions in (session.start(), *map(session.warn, request.warnings)):
        runner.perform_now(actions)
    return FedSession(call, runner, audio, request.audio, limits)
