"""A gRPC server on a free port whose recognition answers are scripted, for tests of the client and the command line."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from speech.v1 import common_pb2 as common
from speech.v1 import model_service_pb2 as models
from speech.v1 import model_service_pb2_grpc, recognition_service_pb2_grpc
from speech.v1 import recognition_service_pb2 as pb

Context = grpc.aio.ServicerContext
StreamScript = Callable[["Scripted", Context], Awaitable[None]]
UnaryScript = Callable[[pb.RecognizeRequest, Context], Awaitable[pb.RecognizeResponse]]


def response(**event: object) -> pb.StreamingRecognizeResponse:
    """A server message."""
    return pb.StreamingRecognizeResponse(**event)  # pyright: ignore[reportArgumentType]


def started() -> pb.StreamingRecognizeResponse:
    """The first event."""
    return response(session_started=common.SessionStarted(session_id="s1", model="scripted"))


def ended() -> pb.StreamingRecognizeResponse:
    """The last event."""
    return response(
        session_ended=common.SessionEnded(
            usage=common.Usage(audio_in_ms=2000, speech_ms=1500),
            latency=common.Latency(first_result_ms=321, p50_lag_ms=40),
        )
    )


def result(
    text: str, segment: int = 1, *, final: bool = True, **fields: object
) -> pb.RecognitionResult:
    """A FINAL or PARTIAL."""
    raw = pb.RecognitionResult(
        segment_id=segment,
        revision=1,
        kind=common.RESULT_KIND_FINAL if final else common.RESULT_KIND_PARTIAL,
        text=text,
        stable_char_count=len(text) if final else len(text) // 2,
        start_ms=(segment - 1) * 1000,
        end_ms=segment * 1000,
    )
    if final:
        raw.end_cause = pb.END_CAUSE_ENDPOINT
    raw.MergeFrom(pb.RecognitionResult(**fields))  # pyright: ignore[reportArgumentType]
    return raw


async def abort(
    context: Context,
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    retry_ms: int | None = None,
) -> None:
    """End a call as the service does: code, ErrorInfo, and the detail of its class."""
    details: list[Any] = []
    info = error_details_pb2.ErrorInfo(reason=reason, domain="speech.v1", metadata={"limit": "7"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="config.model", description="no")
    packed = [info, error_details_pb2.BadRequest(field_violations=[violation])]
    if retry_ms is not None:
        delay = Duration(seconds=retry_ms // 1000, nanos=retry_ms % 1000 * 1_000_000)
        packed = [info, error_details_pb2.RetryInfo(retry_delay=delay)]
    for detail in packed:
        wrapped = Any()
        wrapped.Pack(detail)
        details.append(wrapped)
    status = status_pb2.Status(code=code.value[0], message=message, details=details)
    trailers = (
        ("grpc-status-details-bin", status.SerializeToString()),
        ("x-request-id", "req-from-server"),
    )
    await context.abort(code, message, trailers)


async def transcribe(server: "Scripted", context: Context) -> None:
    """The usual script: one FINAL for each finalize and one at the end, telling how many bytes came."""
    await context.write(started())
    total, segment = 0, 1
    while True:
        message = await context.read()
        if message is grpc.aio.EOF:
            break
        server.requests.append(message)
        match message.WhichOneof("payload"):
            case "audio":
                total += len(message.audio.data)
            case "finalize":
                await context.write(response(result=result(f"{total} bytes", segment)))
                ack = common.ControlAck(
                    control_id=message.finalize.control_id,
                    kind=common.CONTROL_KIND_FINALIZE,
                    last_final_segment=segment,
                )
                await context.write(response(control_ack=ack))
                segment += 1
            case _:
                pass
    await context.write(response(result=result(f"{total} bytes in all", segment)))
    await context.write(ended())


async def reply(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
    """The usual unary answer."""
    return pb.RecognizeResponse(
        results=[result(f"{len(request.audio)} bytes"), result("second", 2)],
        model="scripted",
        usage=common.Usage(audio_in_ms=2000),
        latency=common.Latency(total_ms=12),
    )


@dataclass
class Scripted(
    recognition_service_pb2_grpc.RecognitionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """What the server does and what it saw."""

    stream: StreamScript = transcribe
    unary: UnaryScript = reply
    target: str = ""
    requests: list[pb.StreamingRecognizeRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def Recognize(
        self, request: pb.RecognizeRequest, context: Context
    ) -> pb.RecognizeResponse:
        self.metadata.append(dict(context.invocation_metadata() or ()))
        return await self.unary(request, context)

    async def StreamingRecognize(self, request_iterator: object, context: Context) -> None:
        self.metadata.append(dict(context.invocation_metadata() or ()))
        context.add_done_callback(lambda _: self.closed.set())  # pyright: ignore[reportArgumentType]
        self.requests.append(await context.read())
        await self.stream(self, context)

    async def ListModels(
        self, request: models.ListModelsRequest, context: Context
    ) -> models.ListModelsResponse:
        return models.ListModelsResponse(models=[_MODEL])

    async def GetModel(
        self, request: models.GetModelRequest, context: Context
    ) -> models.GetModelResponse:
        if request.name != _MODEL.name:
            await abort(context, grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "no such model")
        return models.GetModelResponse(model=_MODEL)


_MODEL = models.Model(
    name="scripted",
    kind=models.MODEL_KIND_RECOGNIZER,
    state=models.MODEL_STATE_READY,
    languages=["en"],
    sample_rate_hz=16000,
    capabilities=[models.CAPABILITY_PARTIAL_RESULTS, models.CAPABILITY_WORD_TIMES],
    limits=common.Limits(max_channels=8),
    is_default=True,
    licence="MIT",
    description="Says how many bytes it heard.",
)


@asynccontextmanager
async def serve(
    stream: StreamScript = transcribe, unary: UnaryScript = reply
) -> AsyncIterator[Scripted]:
    """Run a scripted server on this event loop."""
    scripted = Scripted(stream, unary)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 17 << 20)])
    recognition_service_pb2_grpc.add_RecognitionServiceServicer_to_server(scripted, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(scripted, server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set("speech.v1.RecognitionService", health_pb2.HealthCheckResponse.NOT_SERVING)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    scripted.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield scripted
    finally:
        await server.stop(0)
