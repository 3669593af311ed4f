"""``buf curl`` stands in for grpcurl: reflection, one unary call and one stream, without any schema file."""

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Server
from tests.integration.sound import speech

BUF = Path(sys.executable).parent / "buf"
RAW = {"raw": {"encoding": "AUDIO_ENCODING_PCM_S16LE", "sampleRateHz": 16000}}
SERVICE = "speech.v1.RecognitionService"


async def buf_curl(server: Server, *arguments: str, body: str = "") -> tuple[int, str, str]:
    if not BUF.is_file():
        pytest.skip("buf is not installed in this environment")
    process = await asyncio.create_subprocess_exec(
        *(str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(100):
        out, errors = await process.communicate(body.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


def messages(text: str) -> list[dict[str, Any]]:
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:]
    return found


async def test_it_lists_services(server: Server) -> None:
    code, out, errors = await buf_curl(server, "--list-services", f"http://{server.target}")
    assert code == 0, errors
    assert {SERVICE, "speech.v1.ModelService", "grpc.health.v1.Health"} <= set(out.split())
    code, out, errors = await buf_curl(server, "--list-methods", f"http://{server.target}")
    assert code == 0, errors
    assert f"{SERVICE}/StreamingRecognize" in out


async def test_it_recognizes(server: Server) -> None:
    audio = base64.b64encode(speech(1000)).decode()
    body = json.dumps({"config": {"audio": RAW}, "audio": audio})
    url = f"http://{server.target}/{SERVICE}/Recognize"
    code, out, errors = await buf_curl(server, "-d", "@-", url, body=body)
    assert code == 0, errors
    assert messages(out)[0]["results"][0]["text"] == "zero one"


async def test_it_streams(server: Server) -> None:
    audio = base64.b64encode(speech(1000)).decode()
    sent = [{"config": {"audio": RAW}}, {"audio": {"data": audio}}, {"endOfAudio": {}}]
    url = f"http://{server.target}/{SERVICE}/StreamingRecognize"
    body = "\n".join(map(json.dumps, sent))
    code, out, errors = await buf_curl(server, "-d", "@-", url, body=body)
    assert code == 0, errors
    events = messages(out)
    assert "sessionStarted" in events[0]
    assert "sessionEnded" in events[-1]
    finals = [e["result"] for e in events if e.get("result", {}).get("kind") == "RESULT_KIND_FINAL"]
    assert [f["text"] for f in finals] == ["zero one"]


async def test_it_shows_the_details_of_an_error(server: Server) -> None:
    url = f"http://{server.target}/{SERVICE}/Recognize"
    code, _, errors = await buf_curl(server, "-d", '{"config": {"audio": {}}}', url)
    assert code != 0
    assert "config.audio" in errors
    assert "google.rpc.BadRequest" in errors
