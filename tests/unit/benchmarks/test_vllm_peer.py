"""The program that asks vLLM's server, against a small server that answers as it does."""

import base64
import io
import json
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import ROOT
from benchmarks.qwen_asr_cpu import Program, started

TOKENS = 5
CLIPS = 3


class Stub(ThreadingHTTPServer):
    """Answers with ``count`` tokens; holds every request back until ``together`` of them are there."""

    count = TOKENS

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.together = threading.Barrier(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "served"}]})

    def do_POST(self) -> None:
        self.server.requests.append(
            json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        )
        self.server.together.wait(10)
        self.reply({"usage": {"completion_tokens": self.server.count}})

    def reply(self, content: dict[str, Any]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def server() -> Iterator[Stub]:
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, args=(0.01,))
        thread.start()
        yield stub
        stub.shutdown()
        thread.join()


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.npy"
    np.save(path, np.linspace(-1.0, 1.0, 1600, dtype=np.float32))
    return str(path)


def program(server: Stub) -> Program:
    return Program("vllm", sys.executable, "vllm_server.py", {"url": server.url})


def test_a_clip_is_sent_whole_and_its_length_is_forced(server: Stub, clip: str) -> None:
    with started(program(server), {"tokens": TOKENS}) as peer:
        assert peer.ask({"clips": [clip]})["tokens"] == [TOKENS]
    (request,) = server.requests
    assert request["model"] == "served"
    assert request["max_completion_tokens"] == TOKENS
    assert request["ignore_eos"] is True
    (part,) = request["messages"][0]["content"]
    with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"]))) as audio:
        samples = np.frombuffer(audio.readframes(audio.getnframes()), "<i2") / 32767
        assert audio.getframerate() == 16_000
    assert np.abs(samples - np.load(clip)).max() < 1e-4


def test_arrivals_are_sent_while_others_wait(server: Stub, clip: str) -> None:
    server.together = threading.Barrier(CLIPS)
    with started(program(server), {"tokens": TOKENS}) as peer:
        done_s = peer.ask({"clips": [clip] * CLIPS, "at_s": [0.0, 0.05, 0.1]})["done_s"]
    assert len(done_s) == CLIPS
    assert min(done_s) >= 0.1  # nobody was answered before the last had come


def test_an_answer_of_another_length_is_no_measurement(server: Stub, clip: str) -> None:
    server.count = TOKENS - 1
    with (
        started(program(server), {"tokens": TOKENS}) as peer,
        pytest.raises(RuntimeError, match="ended with 1"),
    ):
        peer.ask({"clips": [clip]})


def test_a_server_that_does_not_start_ends_the_program(tmp_path: Path) -> None:
    config = {
        "model": "none",
        "dtype": "float32",
        "threads": 1,
        "tokens": TOKENS,
        "options": {},
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "peers" / "vllm_server.py")],
        input=json.dumps(config) + "\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "vllm serve ended with 1" in done.stderr
