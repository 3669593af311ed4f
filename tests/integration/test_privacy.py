"""No process of ours calls anybody, or leaves anything in HOME, that its configuration does not name."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from grpc import aio

from speech.v1 import alignment_service_pb2 as alignment_pb
from speech.v1 import (
    alignment_service_pb2_grpc,
    synthesis_service_pb2_grpc,
    translation_service_pb2_grpc,
)
from speech.v1 import synthesis_service_pb2 as synthesis_pb
from speech.v1 import translation_service_pb2 as translation_pb
from speech_service.config.environment import LIBRARY_ENVIRONMENT, set_environment_defaults
from tests.integration.harness import pb, raw_config, recognition_stub
from tests.integration.processes import FREE_PORTS, ROOT, START_S, environment
from tests.integration.sound import moonshine_asset, recording

CONNECTS = re.compile(r"(?:connect|sendto|sendmsg|sendmmsg)\(.*?sa_family=AF_INET6?.*")
LOOPBACK = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::(?:1|ffff:127\.[\d.]+)"')
CLIP = "two_cities.wav"
TELEMETRY_S = 15.0
"""onnxruntime's first attempt comes within a few seconds of its import; matched runs saw six in 25 s."""


def bare_environment(home: Path) -> dict[str, str]:
    """That of a new user: none of the variables that this test is about."""
    kept = {k: v for k, v in environment().items() if k not in LIBRARY_ENVIRONMENT}
    return {k: v for k, v in kept.items() if not k.startswith("XDG_")} | {"HOME": str(home)}


def left_in(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


async def use_every_engine(target: str) -> None:
    audio, rate = recording(CLIP)
    audio = audio[: 4 * 2 * rate]
    async with aio.insecure_channel(target) as channel:
        await recognition_stub(channel).Recognize(
            pb.RecognizeRequest(config=raw_config(rate), audio=audio), timeout=100
        )
        speaking = synthesis_service_pb2_grpc.SynthesisServiceStub(channel)
        await speaking.Synthesize(synthesis_pb.SynthesizeRequest(text="Hello."), timeout=100)
        aligning = alignment_service_pb2_grpc.AlignmentServiceStub(channel)
        raw = raw_config(rate).audio
        config = alignment_pb.AlignmentConfig(audio=raw, language="en")
        await aligning.Align(
            alignment_pb.AlignRequest(
                config=config, audio=audio, text="It was the best of times, it was the worst"
            ),
            timeout=100,
        )
        translating = translation_service_pb2_grpc.TranslationServiceStub(channel)
        await translating.TranslateText(
            translation_pb.TranslateTextRequest(
                config=translation_pb.TranslationConfig(
                    source_language="en", target_languages=["pt"]
                ),
                texts=translation_pb.TextList(texts=["Good morning to all of you."]),
            ),
            timeout=100,
        )


@pytest.mark.skipif(moonshine_asset(CLIP) is None, reason="the models are not installed")
async def test_a_server_that_used_every_engine_told_nobody_and_left_nothing(tmp_path: Path) -> None:
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    command = [sys.executable, "-m", "speech_service", "serve", *FREE_PORTS]
    strace = shutil.which("strace")
    if strace is not None:  # without it only HOME is looked at
        calls = "trace=connect,sendto,sendmsg,sendmmsg"
        command = [strace, "-D", "-f", "-qq", "-e", calls, "-o", str(trace), *command]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=bare_environment(home),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(2 * START_S):
            line = (await process.stdout.readline()).decode()
        (port,) = re.findall(r"grpc=(\d+)", line)
        await use_every_engine(f"127.0.0.1:{port}")
        await asyncio.sleep(TELEMETRY_S)
    finally:
        process.terminate()
        await process.wait()
    assert left_in(home) == []
    if strace is not None:
        told = outward(trace)
        assert not told, told[:10]


def outward(trace: Path) -> list[str]:
    lines = trace.read_text(errors="replace").splitlines()
    assert lines, "strace saw nothing at all"
    return [line for line in lines if CONNECTS.search(line) and not LOOPBACK.search(line)]


@pytest.mark.parametrize(
    "program",
    [
        "import speech_service.worker.process",
        "import speech_service.media.codec.zygote",
        "import speech_service.cli",
        "import speech_client, speech_service",
        "import benchmarks",
        "import tests.conftest",
    ],
)
async def test_every_process_switches_telemetry_off_before_a_library_loads(
    program: str, tmp_path: Path
) -> None:
    shown = "; import os, sys; print('onnxruntime' in sys.modules, *(os.environ.get(n) for n in sys.argv[1:]))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program + shown, *LIBRARY_ENVIRONMENT),
        cwd=ROOT,
        env=bare_environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out.decode().split() == ["False", *LIBRARY_ENVIRONMENT.values()]


def test_what_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delenv("DO_NOT_TRACK")
    set_environment_defaults(LIBRARY_ENVIRONMENT)
    assert (os.environ["ORT_DISABLE_TELEMETRY"], os.environ["DO_NOT_TRACK"]) == ("0", "1")
