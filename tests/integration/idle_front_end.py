"""A front end with the shipped configuration, in this process: prints as JSON what it is before and after first calls.

Run as a program by ``test_idle_memory``: the tests themselves have imported everything.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from grpc import aio

from speech_service import app
from speech_service.config.load import load_config

PORTS = ("server.listen", "server.admin_listen", "server.metrics_listen")
PUBLIC_METHODS = (
    "speech.v1.SynthesisService/Synthesize",
    "speech.v1.AlignmentService/Align",
    "speech.v1.TranslationService/TranslateText",
    "speech.v1.TranslationService/NoSuchMethod",
    "speech.v1.VoiceService/ListVoices",
    "speech.v1.ModelService/ListModels",
)
ADMIN_METHODS = (
    "speech.admin.v1.ModelAdminService/GetServerStatus",
    "grpc.channelz.v1.Channelz/GetServers",
)


async def main() -> None:
    """Start, look, call, look again."""
    application = app.Application(load_config(None, [f"{port}=127.0.0.1:0" for port in PORTS]))
    await application.start()
    told: dict[str, Any] = {"rss_kb": rss_kb(), "modules": sorted(sys.modules)}
    ports = application.ports
    told["described"] = await described(ports.public, "speech.v1.TranslationService")
    told["answers"] = await answers(ports.public, PUBLIC_METHODS)
    told["answers"] |= await answers(ports.admin, ADMIN_METHODS)
    print(json.dumps(told))
    await application.close()


def rss_kb() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


async def described(port: int, symbol: str) -> list[str]:
    """Packages of the files that reflection sends for a symbol."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from grpc_reflection.v1alpha import reflection_pb2

    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)]))
        reply = await call.read()
    files = reply.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(file).package for file in files]


async def answers(port: int, methods: tuple[str, ...]) -> dict[str, str]:
    """The code that each method answers an empty request with."""
    codes: dict[str, str] = {}
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in methods:
            try:
                await channel.unary_unary(f"/{method}")(b"", timeout=60)
                codes[method] = "OK"
            except aio.AioRpcError as error:
                codes[method] = error.code().name
    return codes


if __name__ == "__main__":
    asyncio.run(main())
