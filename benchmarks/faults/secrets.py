"""Where secrets turn up: tokens, texts, transcripts and audio of clients, looked for wherever a service leaves traces.

A server with its shipped defaults logs as shipped and sends spans to a collector of ours. Clients recognize,
synthesize and translate, well and in vain, with a canary in every text, name and token that is theirs. Looked at: the
log, the page of metrics, the spans, errors with their details, the environment and arguments of every process, and
its files in the folder for temporary files.
"""

import asyncio
import base64
import contextlib
import tempfile
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil

from benchmarks import BUILD, client, corpus, harness
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.harness import Server, Setup
from benchmarks.synthesis_client import connect as connect_speech
from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as recognition
from speech.v1 import synthesis_service_pb2 as synthesis
from speech.v1 import translation_service_pb2 as translation
from speech.v1 import translation_service_pb2_grpc

NAME = "secrets in what a service leaves behind"
CANARY = "zanzibar marmalade quicksilver"
TOKEN = "tok-4e1c9d7a-canary"  # noqa: S105 - one that nobody has
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_SPANS_LEAVE_S = 6.0
_WORDS = 3
"""So many words in a row of a transcript are no accident."""
_AUDIO_BYTES = 48


async def run(options: Options) -> Result:
    """A fresh server for each repeat."""
    found: list[float] = []
    leaks: list[str] = []
    looked: dict[str, int] = {}
    with harness.progress("secrets", options.repeats) as advance:
        for _ in range(options.repeats):
            secrets, places = await _one()
            here = [
                f"{where}: {what}" for where, data in places.items() for what in held(data, secrets)
            ]
            found.append(len(here))
            leaks += here
            looked = {where: len(data) for where, data in places.items()}
            empty = [
                where for where, size in looked.items() if not size and where != "temporary files"
            ]
            if empty:
                raise RuntimeError(f"nothing was there to look at: {', '.join(empty)}")
            advance("")
    return {
        "figures": [figure_row("secrets found", "places", found, 0.0)],
        "settings": {
            "secrets": "a token, a phrase in every text, each three words of a transcript, parts of the audio",
            "forms": "as they are, in hexadecimal, in base 64",
        },
        "detail": {"looked_at_bytes": looked, "leaks": leaks},
    }


def plot(axes: Any, result: Result) -> None:
    """How much was looked at, by place; red where something was found."""
    looked: Mapping[str, int] = result["detail"]["looked_at_bytes"]
    leaks: Sequence[str] = result["detail"]["leaks"]
    bad = [any(leak.startswith(f"{where}: ") for leak in leaks) for where in looked]
    axes.barh(
        list(looked), list(looked.values()), color=["#c1121f" if b else "#2a6f97" for b in bad]
    )
    axes.set_xscale("symlog")
    axes.set_xlabel("bytes looked at (red: a secret was there)")


def held(data: bytes, secrets: Mapping[str, bytes]) -> list[str]:
    """The names of the secrets that ``data`` holds, in any of their forms."""
    return [
        name
        for name, secret in secrets.items()
        if any(form in data for form in (secret, secret.hex().encode(), base64.b64encode(secret)))
    ]


async def _one() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The secrets of all calls, and what each place held afterwards."""
    pcm = corpus.bundled()[0].pcm
    with (
        tempfile.TemporaryDirectory() as folder,
        _collector() as (endpoint, spans),
    ):
        setup = Setup(
            overrides=[f"observability.otlp_endpoint={endpoint}"], environment={"TMPDIR": folder}
        )
        with Server(setup, "faults-secrets") as server:
            texts, errors = await _calls(server.target, pcm)
            processes = [
                psutil.Process(server.pid),
                *psutil.Process(server.pid).children(recursive=True),
            ]
            places = {"environment and arguments": b"".join(map(_told, processes))}
            places["metrics"] = "\n".join(await asyncio.to_thread(server.metrics)).encode()
            places["temporary files"] = await asyncio.to_thread(_contents, Path(folder))
            await asyncio.sleep(_SPANS_LEAVE_S)
        places |= {"spans": b"".join(spans), "errors": "\n".join(errors).encode()}
    places["log"] = (BUILD / "logs" / "faults-secrets.log").read_bytes()
    secrets = {"the token": TOKEN.encode(), "the phrase": CANARY.encode()}
    for text in texts:
        words = text.split()
        for at in range(len(words) - _WORDS + 1):
            secrets[f"a transcript, word {at}"] = " ".join(words[at : at + _WORDS]).encode()
    for at in range(0, len(pcm) - _AUDIO_BYTES, len(pcm) // 48 * 6):
        secrets[f"the audio, byte {at}"] = pcm[at : at + _AUDIO_BYTES]
    return secrets, places


async def _calls(target: str, pcm: bytes) -> tuple[list[str], list[str]]:
    """Use the service, well and in vain; returns the transcripts, and all that errors say."""
    metadata = (("authorization", f"Bearer {TOKEN}"), ("x-api-key", TOKEN))
    recognize = client.config(client.Settings(partials=False))
    context = common.ContextConfig(text=CANARY, terms=[CANARY])
    lenient = recognition.RecognitionConfig(
        option_handling=common.OPTION_HANDLING_LENIENT, context=context
    )
    lenient.MergeFrom(recognize)
    wrong = recognition.RecognitionConfig(context=context)
    wrong.MergeFrom(recognize)
    to_pt = translation.TranslationConfig(source_language="en", target_languages=["pt"])
    long = f"{CANARY} " * 5000
    async with (
        client.connect(target) as stub,
        connect_speech(target) as [(_, speech)],
        grpc.aio.insecure_channel(target) as channel,
    ):
        translator = translation_service_pb2_grpc.TranslationServiceStub(channel)
        reply = await stub.Recognize(
            recognition.RecognizeRequest(config=lenient, audio=pcm), metadata=metadata, timeout=120
        )
        attempts: list[Awaitable[Any]] = [
            stub.Recognize(
                recognition.RecognizeRequest(config=wrong, audio=pcm), metadata=metadata
            ),
            stub.Recognize(
                recognition.RecognizeRequest(config=recognize, audio=b"\x01" + pcm[:999]),
                metadata=metadata,
            ),
            speech.Synthesize(synthesis.SynthesizeRequest(text=CANARY), metadata=metadata),
            speech.Synthesize(synthesis.SynthesizeRequest(text=long), metadata=metadata),
            translator.TranslateText(
                translation.TranslateTextRequest(
                    config=to_pt, texts=translation.TextList(texts=[CANARY])
                ),
                metadata=metadata,
            ),
            translator.TranslateText(
                translation.TranslateTextRequest(
                    config=to_pt,
                    subtitles=translation.SubtitleDocument(
                        format=common.SUBTITLE_FORMAT_SRT, text=f"1\n{CANARY}\n{long}"
                    ),
                ),
                metadata=metadata,
            ),
            translator.TranslateText(
                translation.TranslateTextRequest(
                    config=to_pt, texts=translation.TextList(texts=[long, long])
                ),
                metadata=metadata,
            ),
        ]
        errors = [error for attempt in attempts if (error := await _error_of(attempt))]
    return [result.text for result in reply.results], errors


async def _error_of(attempt: Awaitable[Any]) -> str:
    try:
        await attempt
    except grpc.aio.AioRpcError as error:
        return f"{error.code()} {error.details()} {error.debug_error_string()} {error.trailing_metadata()}"
    return ""


def _told(process: psutil.Process) -> bytes:
    with contextlib.suppress(psutil.Error):
        return "\n".join([*process.environ().values(), *process.cmdline()]).encode()
    return b""


def _contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@contextlib.contextmanager
def _collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector of spans that keeps what it gets, as bytes."""
    spans: list[bytes] = []

    def keep(request: bytes, _: grpc.ServicerContext) -> bytes:
        spans.append(request)
        return b""

    service, _, method = _EXPORT[1:].partition("/")
    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {method: grpc.unary_unary_rpc_method_handler(keep)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", spans
    finally:
        server.stop(None)
