"""Wrong requests of every RPC that takes a configuration, and what a client is told of each.

Each field of each configuration is made wrong in each way that its type allows, by itself, in a request that is right
but for it. ``python -m tests.integration.error_rows.rows rows.json`` writes down what the service of now says; the
difference to what is committed is what has changed. The test asks a part of it.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from grpc import aio

from speech.v1 import (
    alignment_service_pb2,
    alignment_service_pb2_grpc,
    audio_pb2,
    recognition_service_pb2,
    recognition_service_pb2_grpc,
    synthesis_service_pb2,
    synthesis_service_pb2_grpc,
    translation_service_pb2,
    translation_service_pb2_grpc,
    voice_service_pb2,
    voice_service_pb2_grpc,
)
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure, half_close, send
from tests.integration.harness import Server, running

# Untyped: their constructors take dictionaries for messages.
recognition: Any = recognition_service_pb2
alignment: Any = alignment_service_pb2
translation: Any = translation_service_pb2
synthesis: Any = synthesis_service_pb2
AUDIO = b"\0\0" * 1_600
SUBTITLES = "1\n00:00:00,000 --> 00:00:01,000\nHello there\n"
MODELS = (
    ModelConfig(kind="recognizer/fake"),
    ModelConfig(kind="aligner/fake"),
    ModelConfig(kind="translator/fake"),
    ModelConfig(kind="language/fake"),
    ModelConfig(kind="synthesizer/fake"),
)
Told = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and how it is sent."""

    name: str
    method: str
    messages: Sequence[Message]


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server with a fake of every kind."""
    async with running(models=MODELS) as server:
        yield server


# --- requests ----------------------------------------------------------------------------------------


def raw() -> audio_pb2.AudioFormat:
    """s16 at 16 kHz."""
    return audio_pb2.AudioFormat(raw=audio_pb2.RawAudio(encoding=1, sample_rate_hz=16_000))  # pyright: ignore[reportArgumentType] - a number is fine on the wire


def wrong(config: Message, path: str = "") -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Every way to make one field wrong: its name, and what does it to a message of that type."""
    fields: Any = config.DESCRIPTOR.fields
    for field in fields:
        where = f"{path}.{field.name}" if path else field.name
        for label, value in _values(field):
            yield f"{where}={label}", _setter(where, value, repeated=field.is_repeated)
        inner: Any = getattr(config, field.name)
        if isinstance(inner, Message) and not isinstance(inner, Duration | audio_pb2.AutoDetect):
            yield f"{where}={{}}", _emptier(where)
            if path.count(".") < 3:
                yield from wrong(inner, where)


def _values(field: Any) -> Sequence[tuple[str, Any]]:
    match field.type:
        case FieldDescriptor.TYPE_ENUM:
            values = [(v.name, v.number) for v in field.enum_type.values if v.number]
            return [*values[:3], *values[-1:], ("99", 99)]
        case FieldDescriptor.TYPE_STRING:
            return [("long", "x" * 20_000), ("unknown", "no-such"), ("nul", "\0"), ("blank", " ")]
        case FieldDescriptor.TYPE_BOOL:
            return [("true", True)]
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return [("nan", float("nan")), ("high", 1e9), ("low", -1e9)]
        case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_UINT32 | FieldDescriptor.TYPE_UINT64:
            return [("0", 0), ("1", 1), ("high", 2**31 - 1)]
        case FieldDescriptor.TYPE_BYTES:
            return [("bytes", b"no audio at all")]
        case FieldDescriptor.TYPE_MESSAGE if field.message_type.name == "Duration":
            return [("minus", {"seconds": -1}), ("year", {"seconds": 31_536_000})]
        case FieldDescriptor.TYPE_MESSAGE if field.is_repeated:
            names = [f.name for f in field.message_type.fields if f.type == f.TYPE_STRING]
            rows = [("{}", {}), ("words", {name: "word" for name in names})]
            return [
                *rows,
                *((f"no {name}", {n: "w" for n in names if n != name}) for name in names),
            ]
        case _:
            return []


def _setter(path: str, value: Any, *, repeated: bool) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        *outer, last = path.split(".")
        for name in outer:
            message = getattr(message, name)
        if repeated and isinstance(value, dict):
            getattr(message, last).add(**value)
        elif repeated:
            getattr(message, last).append(value)
        elif isinstance(value, dict):
            getattr(message, last).seconds = value["seconds"]
        else:
            setattr(message, last, value)

    return change


def _emptier(path: str) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for name in path.split("."):
            message = getattr(message, name)
        message.SetInParent()

    return change


def _changed(config: Any, lenient: bool) -> Iterator[tuple[str, Any]]:
    """``config`` as it is, and with each of its fields wrong."""
    if lenient:
        config.option_handling = 2
    yield "as it is", config
    for name, change in wrong(config):
        copy: Any = type(config)()
        copy.CopyFrom(config)
        change(copy)
        yield name, copy


def recognition_rows() -> Iterator[Row]:
    """Recognize and StreamingRecognize."""
    request = recognition.StreamingRecognizeRequest
    heard, ended = request(audio={"data": AUDIO}), request(end_of_audio={})
    for lenient in (False, True):
        for name, config in _changed(recognition.RecognitionConfig(audio=raw()), lenient):
            label = f"{name}{' leniently' if lenient else ''}"
            unary = recognition.RecognizeRequest(config=config, audio=AUDIO)
            yield Row(label, "Recognize", [unary])
            yield Row(label, "StreamingRecognize", [request(config=config), heard, ended])
    first = request(config={"audio": raw()})
    for name, config in _changed(recognition.RecognitionConfig(), False):
        update: Any = recognition.UpdateRecognitionConfig(config=config, control_id="u")
        update.update_mask.paths.append(name.partition("=")[0])
        yield Row(
            f"update {name}", "StreamingRecognize", [first, request(update_config=update), ended]
        )
    for name, messages in {
        "nothing": [],
        "no config": [heard],
        "empty": [request()],
        "config twice": [first, first],
        "payload": [first, request()],
        "gap": [first, request(audio={"data": AUDIO, "sequence": 3})],
        "odd": [first, request(audio={"data": b"abc"})],
        "too much": [first, request(audio={"data": bytes(1024 * 1024 + 2)})],
        "no silence": [first, request(silence={})],
        "long silence": [first, request(silence={"duration": {"seconds": 601}})],
        "finalize id": [first, request(finalize={"control_id": "x" * 65}), ended],
        "reset id": [first, request(reset={"control_id": "x" * 65}), ended],
        "update id": [first, request(update_config={"control_id": "x" * 65}), ended],
        "update without mask": [first, request(update_config={"control_id": "u"}), ended],
    }.items():
        yield Row(name, "StreamingRecognize", messages)
    bare = recognition.RecognizeRequest
    yield Row("no config", "Recognize", [bare(audio=AUDIO)])
    yield Row("no audio", "Recognize", [bare(config={"audio": raw()})])
    for name, data in (("odd", b"abc"), ("short", b"RIFF"), ("noise", b"no audio" * 99)):
        for kind, audio in (
            ("raw", raw()),
            ("auto", audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())),
        ):
            detected = request(config={"audio": audio})
            yield Row(f"{name} as {kind}", "Recognize", [bare(config={"audio": audio}, audio=data)])
            sent = [detected, request(audio={"data": data}), ended]
            yield Row(f"{name} as {kind}", "StreamingRecognize", sent)


def alignment_rows() -> Iterator[Row]:
    """Align and StreamingAlign."""
    request = alignment.StreamingAlignRequest
    text, heard = request(text={"text": "zero one"}), request(audio={"data": AUDIO})
    ended = request(end_of_input={})
    for lenient in (False, True):
        for name, config in _changed(alignment.AlignmentConfig(audio=raw()), lenient):
            label = f"{name}{' leniently' if lenient else ''}"
            unary = alignment.AlignRequest(config=config, audio=AUDIO, text="zero one")
            yield Row(label, "Align", [unary])
            yield Row(label, "StreamingAlign", [request(config=config), text, heard, ended])
    first = request(config={"audio": raw()})
    for name, messages in {
        "no config": [heard],
        "config twice": [first, first],
        "payload": [first, request()],
        "gap": [first, request(audio={"data": AUDIO, "sequence": 3})],
        "odd": [first, request(audio={"data": b"abc"})],
        "text after its end": [first, request(text={"end_of_text": True}), text],
        "finalize id": [first, request(finalize={"control_id": "x" * 65}), ended],
        "long text": [first, request(text={"text": "x " * 500_001})],
    }.items():
        yield Row(name, "StreamingAlign", messages)
    bare = alignment.AlignRequest
    yield Row("no config", "Align", [bare(audio=AUDIO, text="a")])
    yield Row("no audio", "Align", [bare(config={"audio": raw()}, text="a")])
    yield Row("blank", "Align", [bare(config={"audio": raw()}, audio=AUDIO, text=" ")])
    yield Row("odd", "Align", [bare(config={"audio": raw()}, audio=b"abc", text="a")])
    detected = bare(config={"audio": {"auto_detect": {}}}, audio=b"no audio" * 99, text="a")
    yield Row("noise", "Align", [detected])


def translation_rows() -> Iterator[Row]:
    """Configurations of TranslateText, TranslateSpeech and StreamingTranslate."""
    request = translation.StreamingTranslateRequest
    ended = request(end_of_input={})
    text, heard = request(text={"text": "Hello."}), request(audio={"data": AUDIO})
    for lenient in (False, True):
        plain = translation.TranslationConfig(target_languages=["pt"], source_language="en")
        for name, config in _changed(plain, lenient):
            if name.startswith("recognition."):
                continue  # without its audio format it is wrong already; ``spoken`` has one
            label = f"{name}{' leniently' if lenient else ''}"
            unary = translation.TranslateTextRequest(config=config, text="Hello.")
            yield Row(label, "TranslateText", [unary])
            yield Row(label, "StreamingTranslate", [request(config=config), text, ended])
        spoken = translation.TranslationConfig(
            target_languages=["en"], source_language="pt", recognition={"audio": raw()}
        )
        for name, config in _changed(spoken, lenient):
            label = f"speech {name}{' leniently' if lenient else ''}"
            unary = translation.TranslateSpeechRequest(config=config, audio=AUDIO)
            yield Row(label, "TranslateSpeech", [unary])
            yield Row(label, "StreamingTranslate", [request(config=config), heard, ended])
    first = request(config={"target_languages": ["pt"], "source_language": "en"})
    listening = request(config={"target_languages": ["en"], "recognition": {"audio": raw()}})
    for name, messages in {
        "no config": [text],
        "config twice": [first, first],
        "payload": [first, request()],
        "audio": [first, heard],
        "text": [listening, text],
        "nul": [first, request(text={"text": "a\0"})],
        "long": [first, request(text={"text": "x" * 2_000_000})],
        "gap": [listening, request(audio={"data": AUDIO, "sequence": 3})],
        "odd": [listening, request(audio={"data": b"abc"})],
        "finalize id": [first, request(finalize={"control_id": "x" * 65}), ended],
        "reset id": [listening, request(reset={"control_id": "x" * 65}), ended],
        "unknown source": [
            request(config={"target_languages": ["pt"]}),
            request(text={"text": "%%"}),
            ended,
        ],
    }.items():
        yield Row(name, "StreamingTranslate", messages)


def text_rows() -> Iterator[Row]:
    """Contents of TranslateText and TranslateSpeech."""
    bare = translation.TranslateTextRequest
    config = {"target_languages": ["pt"], "source_language": "en"}
    for name, message in {
        "no config": bare(text="a"),
        "no content": bare(config=config),
        "blank": bare(config=config, text=" "),
        "nul": bare(config=config, text="a\0"),
        "no texts": bare(config=config, texts={}),
        "a blank text": bare(config=config, texts={"texts": ["a", ""]}),
        "many texts": bare(config=config, texts={"texts": ["a"] * 100_000}),
        "no format": bare(config=config, subtitles={"text": SUBTITLES}),
        "no cue": bare(config=config, subtitles={"format": 1, "text": "Hello"}),
        "no header": bare(config=config, subtitles={"format": 2, "text": SUBTITLES}),
        "empty file": bare(config=config, subtitles={"format": 1, "text": ""}),
        "two targets": bare(config={"target_languages": ["pt", "pt"]}, text="Hello"),
        "own language": bare(
            config={"target_languages": ["en"], "source_language": "en"}, text="a"
        ),
        "no pair": bare(config={"target_languages": ["zu"], "source_language": "en"}, text="a"),
    }.items():
        yield Row(name, "TranslateText", [message])
    spoken = translation.TranslateSpeechRequest
    yield Row("no config", "TranslateSpeech", [spoken(audio=AUDIO)])
    yield Row("no recognition", "TranslateSpeech", [spoken(config=config, audio=AUDIO)])


def synthesis_rows() -> Iterator[Row]:
    """Synthesize, SynthesizeChunked, StreamingSynthesize and CreateVoice."""
    request = synthesis.StreamingSynthesizeRequest
    text, ended = request(text={"text": "Hello."}), request(end_of_text={})
    for lenient in (False, True):
        for name, config in _changed(synthesis.SynthesisConfig(), lenient):
            label = f"{name}{' leniently' if lenient else ''}"
            unary = synthesis.SynthesizeRequest(config=config, text="Hello.")
            chunked = synthesis.SynthesizeChunkedRequest(config=config, text="Hello.")
            yield Row(label, "Synthesize", [unary])
            yield Row(label, "SynthesizeChunked", [chunked])
            yield Row(label, "StreamingSynthesize", [request(config=config), text, ended])
    first = request(config={})
    for name, config in _changed(synthesis.SynthesisConfig(), False):
        update: Any = synthesis.UpdateSynthesisConfig(config=config, control_id="u")
        update.update_mask.paths.append(name.partition("=")[0])
        sent = [first, request(update_config=update), ended]
        yield Row(f"update {name}", "StreamingSynthesize", sent)
    for name, messages in {
        "no config": [text],
        "config twice": [first, first],
        "payload": [first, request()],
        "context id": [first, request(text={"text": "a", "context_id": "x" * 65})],
        "long": [first, request(text={"text": "x" * 2_000_000})],
        "flush id": [first, request(flush={"control_id": "x" * 65}), ended],
        "flush context": [first, request(flush={"context_id": "x" * 65}), ended],
        "cancel id": [first, request(cancel={"control_id": "x" * 65}), ended],
        "update id": [first, request(update_config={"control_id": "x" * 65}), ended],
        "nothing to say": [first, request(text={"text": "..."}), ended],
    }.items():
        yield Row(name, "StreamingSynthesize", messages)
    for name, said in (("empty", ""), ("blank", " "), ("signs", "?!"), ("long", "x" * 2_000_000)):
        yield Row(name, "Synthesize", [synthesis.SynthesizeRequest(text=said)])
        yield Row(name, "SynthesizeChunked", [synthesis.SynthesizeChunkedRequest(text=said)])
    for name, change in wrong(voice_service_pb2.CreateVoiceRequest()):
        message = voice_service_pb2.CreateVoiceRequest()
        change(message)
        yield Row(name, "CreateVoice", [message])


def rows() -> Mapping[str, Row]:
    """All of them, by method and name."""
    found = [
        *recognition_rows(),
        *alignment_rows(),
        *translation_rows(),
        *text_rows(),
        *synthesis_rows(),
    ]
    return {f"{row.method}: {row.name}": row for row in found}


# --- answers -----------------------------------------------------------------------------------------


def _stub(server: Server, method: str) -> Any:
    stubs: Sequence[Any] = (
        recognition_service_pb2_grpc.RecognitionServiceStub(server.channel),
        alignment_service_pb2_grpc.AlignmentServiceStub(server.channel),
        translation_service_pb2_grpc.TranslationServiceStub(server.channel),
        synthesis_service_pb2_grpc.SynthesisServiceStub(server.channel),
        voice_service_pb2_grpc.VoiceServiceStub(server.channel),
    )
    return next(getattr(stub, method) for stub in stubs if hasattr(stub, method))


async def told(server: Server, row: Row) -> Told:
    """What a client learns: warnings, refusals, failed contexts, and last the error of the call."""
    said: list[list[str]] = []
    try:
        async for answer in _answers(_stub(server, row.method), row):
            said += _said(answer)
    except aio.AioRpcError as failed:
        return [*sorted(said), _error(Failure.of(failed))]
    return sorted(said)


async def _answers(method: Any, row: Row) -> AsyncIterator[Any]:
    if row.method.startswith("Streaming"):
        call = method(timeout=WAIT_S)
        sending = asyncio.create_task(_send_all(call, row.messages))
        async for answer in call:
            yield answer
        await sending
    elif row.method == "SynthesizeChunked":
        async for answer in method(row.messages[0], timeout=WAIT_S):
            yield answer
    else:
        yield await method(row.messages[0], timeout=WAIT_S)


async def _send_all(call: Any, messages: Sequence[Message]) -> None:
    for message in messages:
        if not await send(call, message.SerializeToString()):
            return
    await half_close(call)


def _said(answer: Any) -> list[list[str]]:
    names = {field.name for field in answer.DESCRIPTOR.fields}
    said = [
        [w.reason, w.field, w.message] for w in (answer.warnings if "warnings" in names else ())
    ]
    if "warning" in names and answer.HasField("warning"):
        said.append([answer.warning.reason, answer.warning.field, answer.warning.message])
    if "control_ack" in names and answer.control_ack.HasField("error"):
        refused = answer.control_ack.error
        said.append([str(refused.code), refused.reason, refused.field, refused.message])
    if "context_ended" in names and answer.context_ended.HasField("error"):
        failed = answer.context_ended.error
        said.append([str(failed.code), failed.reason, failed.message])
    return said


def _error(failure: Failure) -> list[str]:
    where = ""
    if "BadRequest" in failure.details:
        where = failure.violation.field
        assert failure.message == f"{where}: {failure.violation.description}"
    if "PreconditionFailure" in failure.details:
        where = failure.details["PreconditionFailure"].violations[0].subject
    return [failure.code.name, failure.reason, where, failure.message]


async def all_told(asked: Mapping[str, Row]) -> Mapping[str, Told]:
    """What the service says to each row."""
    async with serving() as server:
        return {name: await told(server, row) for name, row in asked.items()}


def some_of(asked: Mapping[str, Row], recorded: Mapping[str, Told]) -> Mapping[str, Row]:
    """One row of each answer of each method, every sixth of the others, and those that nobody recorded."""
    alike: dict[tuple[str, str], int] = {}
    some: dict[str, Row] = {}
    for name, row in asked.items():
        answer = (row.method, json.dumps(recorded.get(name, name)))
        number = alike[answer] = alike.get(answer, -1) + 1
        if number % 6 == 0:
            some[name] = row
    return some


def as_lines(answers: Mapping[str, Told]) -> str:
    """JSON with one line for each answer and the rows that get it."""
    names: dict[str, list[str]] = {}
    for name, said in sorted(answers.items()):
        names.setdefault(json.dumps(said), []).append(name)
    lines = [f"[{said}, {json.dumps(rows)}]" for said, rows in names.items()]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def of_lines(text: str) -> Mapping[str, Told]:
    """What :func:`as_lines` wrote."""
    return {name: said for said, names in json.loads(text) for name in names}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(as_lines(asyncio.run(all_told(rows()))), "utf-8")
