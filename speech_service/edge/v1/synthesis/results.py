"""Events of synthesis, and the configuration in force, as the client sees them."""

from collections.abc import Iterable
from typing import Any

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.requests.synthesis import SynthesisRequest
from speech_service.config.tree import StreamConfig, SynthesisConfig
from speech_service.domain import events
from speech_service.domain.errors import SpeechError
from speech_service.domain.synthesis import OutputFormat, SpeechFinish
from speech_service.edge.status import wire_error
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.synthesis.config import (
    ALPHABETS,
    ENCODINGS,
    FIELDS,
    SEGMENTATIONS,
)
from speech_service.media.encode.encoder import bit_rate_bps

MAX_CONTEXT_ID_CHARACTERS = 64

_WIRE_ENCODINGS = {value: wire for wire, value in ENCODINGS.items() if wire}
_WIRE_SEGMENTATIONS = {value: wire for wire, value in SEGMENTATIONS.items() if wire}
_WIRE_ALPHABETS = {value: wire for wire, value in ALPHABETS.items()}
_OUTCOMES = {
    events.ContextOutcome.DONE: pb.CONTEXT_OUTCOME_DONE,
    events.ContextOutcome.CANCELLED: pb.CONTEXT_OUTCOME_CANCELLED,
    events.ContextOutcome.FAILED: pb.CONTEXT_OUTCOME_FAILED,
}

_FINISHES = {
    SpeechFinish.COMPLETE: pb.SYNTHESIS_FINISH_COMPLETE,
    SpeechFinish.LENGTH_LIMIT: pb.SYNTHESIS_FINISH_LENGTH_LIMIT,
}


def output(value: OutputFormat) -> audio_pb2.SynthesisOutput:
    """Domain to wire, with defaults filled in."""
    return audio_pb2.SynthesisOutput(
        encoding=_WIRE_ENCODINGS[value.encoding],
        sample_rate_hz=value.sample_rate_hz,
        trim_silence=value.trim_silence,
        bit_rate_bps=bit_rate_bps(value) or None,
    )


def effective_config(request: SynthesisRequest) -> pb.SynthesisConfig:
    """The options in force, as a client would write them."""
    options = request.options
    return pb.SynthesisConfig(
        model=options.model,
        language=options.language,
        output=output(options.output),
        speaking_rate=options.speaking_rate * options.tempo,
        gain_db=options.gain_db,
        lexicon=[
            pb.LexiconEntry(
                term=entry.term,
                pronunciation=entry.pronunciation,
                alphabet=_WIRE_ALPHABETS[entry.alphabet],
            )
            for entry in options.lexicon
        ],
        seed=options.seed,
        segmentation=_WIRE_SEGMENTATIONS[options.segmentation],
        sentence_pause=convert.to_duration(options.sentence_pause_ms),
        timing=pb.TIMING_WORD if options.word_timings else pb.TIMING_NONE,
        option_handling=convert.option_handling(lenient=request.wanted.lenient),
        **_voice_and_style(request),
    )


def _voice_and_style(request: SynthesisRequest) -> dict[str, Any]:
    """The voice as the client named it (a recording is not sent back), and how it speaks where that had an effect."""
    wanted, effective = request.wanted, dict[str, Any]()
    if wanted.design is not None:
        effective["design"] = pb.VoiceDesign(description=wanted.design)
    elif request.voice.voice_id:
        effective["voice_id"] = request.voice.voice_id
    if wanted.style_instruction.strip() and request.options.instruct:
        effective["style_instruction"] = wanted.style_instruction
    return effective


def started(
    session_id: str, request: SynthesisRequest, config: SynthesisConfig, stream: StreamConfig
) -> common_pb2.SessionStarted:
    """First event of every stream."""
    return common_pb2.SessionStarted(
        session_id=session_id,
        model=request.model.name,
        limits=common_pb2.Limits(
            max_text_characters=config.max_text_characters,
            max_contexts=config.max_contexts,
            idle_timeout_ms=convert.uint32(stream.idle_timeout_s * 1000),
        ),
    )


def audio(chunk: events.SpeechChunk[events.ContextTurn]) -> pb.SynthesisAudio:
    """Domain to wire."""
    return pb.SynthesisAudio(
        context_id=chunk.owner.context_id,
        sequence=chunk.sequence,
        data=chunk.data,
        start_ms=chunk.start_ms,
        duration_ms=chunk.duration_ms,
    )


def timing_list(units: Iterable[events.SpokenUnit]) -> list[pb.SynthesisTiming]:
    """Domain to wire."""
    return [
        pb.SynthesisTiming(
            text=unit.text,
            char_start=unit.char_start,
            char_end=unit.char_end,
            start_ms=unit.start_ms,
            end_ms=unit.end_ms,
        )
        for unit in units
    ]


def timings(event: events.SpeechTimings) -> pb.SynthesisTimings:
    """Domain to wire."""
    return pb.SynthesisTimings(context_id=event.owner.context_id, timings=timing_list(event.units))


def finish(value: SpeechFinish | None) -> pb.SynthesisFinish.ValueType:
    """Domain to wire; None is unspecified."""
    return pb.SYNTHESIS_FINISH_UNSPECIFIED if value is None else _FINISHES[value]


def context_ended(event: events.ContextEnded, request_id: str) -> pb.ContextEnded:
    """Domain to wire. An internal error says no more than the request's id."""
    message = pb.ContextEnded(
        context_id=event.owner.context_id,
        outcome=_OUTCOMES[event.outcome],
        usage=convert.usage(event.usage),
        finish=finish(event.finish),
    )
    if event.error is not None:
        message.error.CopyFrom(_context_error(FIELDS.error(event.error), request_id))
    return message


def _context_error(error: SpeechError, request_id: str) -> pb.ContextError:
    code = wire_error(error).code
    text = error.message
    if code.name == "INTERNAL":
        text = f"internal error; quote request id {request_id}"
    number: int = code.value[0]
    metadata = {**error.metadata, "request_id": request_id}
    return pb.ContextError(code=number, reason=error.reason, message=text, metadata=metadata)
