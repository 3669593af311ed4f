"""StreamingRecognize after its first message: what is its own, and what is answered."""

from collections.abc import Sequence
from functools import partial
from typing import assert_never

from speech.v1 import common_pb2, recognition_service_pb2
from speech_service.calls.driver import SessionRunner
from speech_service.calls.recognition import FedRecognition
from speech_service.calls.requests.context import fitting
from speech_service.calls.requests.recognition import (
    MAX_CONTEXT_CHARACTERS,
    RecognitionRequest,
    RecognitionRequests,
)
from speech_service.domain import events
from speech_service.domain.audio import MAX_CHANNELS
from speech_service.domain.call import Call
from speech_service.domain.errors import SpeechError
from speech_service.domain.resume import ResumePoint
from speech_service.domain.transcript import TranscriptResult
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.control import control_actions, control_fields, refusal
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.config import (
    STREAM_FIELDS,
    UPDATE_FIELDS,
    updated,
    wanted,
)
from speech_service.edge.v1.resume import going_away, session_started
from speech_service.protocols import Submitter
from speech_service.sessions.recognition.events import RecognitionAction, RecognitionEvent
from speech_service.sessions.recognition.session import RecognitionSession


class RecognitionWire:
    """StreamingRecognize; ``config`` is what its first message held, ``request`` and ``resume`` what became of it."""

    instead_of_config = "update_config"
    beside_audio: Sequence[str] = ()

    def __init__(
        self,
        serving: Serving,
        requests: RecognitionRequests,
        submitter: Submitter,
        call: Call,
        config: recognition_service_pb2.RecognitionConfig,
        request: RecognitionRequest,
        resume: ResumePoint,
        fed: FedRecognition,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._submitter = submitter
        self._call = call
        self._config = config
        self._request = request
        self._resume = resume
        self._runner: SessionRunner[RecognitionSession, RecognitionEvent] = fed.runner

    async def message(
        self, kind: str, request: recognition_service_pb2.StreamingRecognizeRequest
    ) -> bool:
        runner, session = self._runner, self._runner.session
        match kind:
            case "silence":
                await runner.perform(session.silence(request.silence.duration.ToMilliseconds()))
            case "reset":
                reset = partial(self._reset, keep_context=request.reset.keep_context)
                given = request.reset.control_id
                reset_kind = events.ControlKind.RESET
                await runner.perform(control_actions(session, reset_kind, given, reset))
            case "update_config":
                await self._update(request.update_config)
            case _:
                return False
        return True

    def responses(
        self, event: RecognitionEvent
    ) -> Sequence[recognition_service_pb2.StreamingRecognizeResponse]:
        """Domain to wire."""
        response = recognition_service_pb2.StreamingRecognizeResponse
        match event:
            case TranscriptResult():
                return (response(result=convert_result.result(event)),)
            case events.SpeechEvent():
                return (response(speech_event=convert.speech_event(event)),)
            case events.Progress():
                return (response(progress=convert.progress(event)),)
            case events.ControlAck():
                message = response(control_ack=convert.control_ack(event, STREAM_FIELDS))
                if event.kind is events.ControlKind.UPDATE_CONFIG:
                    message.effective_config.CopyFrom(self._effective())
                return (message,)
            case events.StreamWarning():
                return (response(warning=convert.warning(event, STREAM_FIELDS)),)
            case events.GoingAway():
                return (response(going_away=going_away(event, self._call, self._serving.tokens)),)
            case events.SessionStarted():
                started, effective = self._started(), self._effective()
                return (response(session_started=started, effective_config=effective),)
            case events.SessionEnded():
                self._call.finished(event.usage, event.latency)
                return (response(session_ended=convert.session_ended(event)),)
            case _:
                assert_never(event)

    def _reset(self, control_id: str, keep_context: bool) -> Sequence[RecognitionAction]:
        if not keep_context:
            self._request = self._request.without_context()
            self._config.ClearField("context")
        return self._runner.session.reset(control_id, keep_context)

    async def _update(self, message: recognition_service_pb2.UpdateRecognitionConfig) -> None:
        runner, kind = self._runner, events.ControlKind.UPDATE_CONFIG
        try:
            control = convert.control_id(message.control_id, "update_config.control_id")
            config = updated(self._config, message)
            with UPDATE_FIELDS.named():
                asked = wanted(config, "update_config.config", streaming=True)
                checked = self._requests.check(asked, streaming=True)
                request = await fitting(self._submitter, checked)
        except SpeechError as error:
            await runner.perform(refusal(runner.session, kind, message.control_id, error))
            return
        self._config, self._request = config, request
        changed = tuple(path.partition(".")[0] for path in message.update_mask.paths)
        for warning in request.warnings:
            if warning.option.startswith(changed):
                runner.perform_now(runner.session.warn(warning))
        with control_fields(kind).named():
            actions = runner.session.update(request.options, control)
        await runner.perform(actions)

    def _effective(self) -> recognition_service_pb2.RecognitionConfig:
        return convert_result.effective_config(self._request)

    def _started(self) -> common_pb2.SessionStarted:
        limits = common_pb2.Limits(
            max_audio_message_bytes=convert.uint32(self._serving.server.max_audio_message_bytes),
            max_context_characters=MAX_CONTEXT_CHARACTERS,
            max_context_tokens=self._request.model.max_context_tokens or None,
            max_channels=MAX_CHANNELS,
            max_segment_ms=convert.uint32(self._request.options.endpointing.max_segment_ms),
        )
        return session_started(
            self._call, self._serving, self._request.model.name, limits, self._resume
        )
