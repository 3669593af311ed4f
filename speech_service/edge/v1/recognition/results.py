"""Results, and the options in force, as the client sees them."""

from dataclasses import replace

from speech.v1 import common_pb2, recognition_service_pb2
from speech_service.calls.requests.recognition import RecognitionRequest
from speech_service.domain.transcript import EndCause, ResultKind, TranscriptResult
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.recognition.config import MODES, WIRE_PACINGS

_WIRE_MODES = {value: wire for wire, value in MODES.items() if wire}
KINDS = {
    ResultKind.PARTIAL: common_pb2.RESULT_KIND_PARTIAL,
    ResultKind.FINAL: common_pb2.RESULT_KIND_FINAL,
    ResultKind.REFINED: common_pb2.RESULT_KIND_REFINED,
}
_CAUSES = {
    EndCause.ENDPOINT: recognition_service_pb2.END_CAUSE_ENDPOINT,
    EndCause.FINALIZE: recognition_service_pb2.END_CAUSE_FINALIZE,
    EndCause.MAX_SEGMENT: recognition_service_pb2.END_CAUSE_MAX_SEGMENT,
    EndCause.END_OF_STREAM: recognition_service_pb2.END_CAUSE_END_OF_STREAM,
}


def effective_config(request: RecognitionRequest) -> recognition_service_pb2.RecognitionConfig:
    """The options in force, as a client would write them; without the audio format, which it knows."""
    options, endpointing = request.options, request.options.endpointing
    context = None
    if request.context or request.terms:
        context = common_pb2.ContextConfig(text=request.context, terms=request.terms)
    return recognition_service_pb2.RecognitionConfig(
        model=options.model,
        language=common_pb2.LanguageConfig(codes=[options.language] if options.language else []),
        context=context,
        endpointing=common_pb2.EndpointingConfig(
            mode=_WIRE_MODES[endpointing.mode],
            threshold=endpointing.threshold,
            min_speech=convert.to_duration(endpointing.min_speech_ms),
            end_silence=convert.to_duration(endpointing.end_silence_ms),
            max_segment=convert.to_duration(endpointing.max_segment_ms),
            padding=convert.to_duration(endpointing.padding_ms),
            quiet_margin=convert.to_duration(endpointing.quiet_margin_ms),
        ),
        partial_results=options.partial_results,
        partial_interval=convert.to_duration(options.partial_interval_ms),
        pacing=WIRE_PACINGS[options.pacing],
        separate_channels=options.separate_channels,
        word_times=bool(options.aligner),
        option_handling=convert.option_handling(lenient=request.wanted.lenient),
    )


def result(value: TranscriptResult) -> recognition_service_pb2.RecognitionResult:
    """Domain to wire."""
    message = recognition_service_pb2.RecognitionResult(
        segment_id=value.segment_id,
        channel=value.channel,
        revision=value.revision,
        kind=KINDS[value.kind],
        text=value.text,
        stable_char_count=value.stable_char_count,
        start_ms=value.start_ms,
        end_ms=value.end_ms,
        confidence=value.confidence,
    )
    if value.language:
        message.languages.add(code=value.language)
    for word in value.words:
        message.words.add(
            text=word.text,
            start_ms=word.start_ms,
            end_ms=word.end_ms,
            char_start=word.char_start,
            char_end=word.char_end,
            confidence=word.confidence,
        )
    if value.end_cause is not None:
        message.end_cause = _CAUSES[value.end_cause]
    return message


def shown(
    value: TranscriptResult, *, with_words: bool
) -> recognition_service_pb2.RecognitionResult:
    """The one result of a segment: with its words, where the client wants them and not only its subtitles."""
    return result(value if with_words else replace(value, words=()))
