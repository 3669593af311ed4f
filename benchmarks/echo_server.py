"""A StreamingRecognize that does nothing: the floor under every gRPC figure, and a stand-in for the service.

It parses the same messages and answers every ``--reply-every``-th audio chunk with a result of usual size, every
finalize with its ack, and the end with a FINAL and session_ended. No session, no audio handling, no worker, no
interceptor. Prints the same ready line as the service.
"""

import argparse
import asyncio
import signal
import sys
from typing import Any

import grpc.aio

from speech.v1 import common_pb2, recognition_service_pb2, recognition_service_pb2_grpc

Response = recognition_service_pb2.StreamingRecognizeResponse
PARTIAL, FINAL = common_pb2.RESULT_KIND_PARTIAL, common_pb2.RESULT_KIND_FINAL
TEXT = "it answers with a result of the usual length"


class EchoServicer(recognition_service_pb2_grpc.RecognitionServiceServicer):
    """Answers without looking at the audio."""

    def __init__(self, reply_every: int) -> None:
        self._reply_every = reply_every

    async def Recognize(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers at once."""
        del request, context
        return recognition_service_pb2.RecognizeResponse(results=[_result(1, FINAL).result])

    async def StreamingRecognize(self, request_iterator: Any, context: Any) -> None:  # noqa: N802
        """Reads until half-close."""
        started = common_pb2.SessionStarted(session_id="echo", model="echo")
        await context.write(Response(session_started=started))
        chunks = 0
        async for request in request_iterator:
            match request.WhichOneof("payload"):
                case "audio":
                    chunks += 1
                    if chunks % self._reply_every == 0:
                        await context.write(_result(chunks, PARTIAL))
                case "finalize":
                    ack = common_pb2.ControlAck(
                        control_id=request.finalize.control_id,
                        kind=common_pb2.CONTROL_KIND_FINALIZE,
                    )
                    await context.write(Response(control_ack=ack))
                case _:
                    pass
        await context.write(_result(chunks, FINAL))
        await context.write(Response(session_ended=common_pb2.SessionEnded()))


def _result(chunks: int, kind: common_pb2.ResultKind.ValueType) -> Response:
    result = recognition_service_pb2.RecognitionResult(
        segment_id=1, revision=chunks, kind=kind, text=TEXT, end_ms=100 * chunks
    )
    return Response(result=result)


async def serve(reply_every: int) -> None:
    """Serve on a free port until SIGTERM."""
    server = grpc.aio.server()
    recognition_service_pb2_grpc.add_RecognitionServiceServicer_to_server(
        EchoServicer(reply_every), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    sys.stdout.write(f"serving grpc={port} models=echo workers=none\n")
    sys.stdout.flush()
    await stopped.wait()
    await server.stop(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reply-every", type=int, default=1, help="audio chunks per result")
    asyncio.run(serve(parser.parse_args().reply_every))
