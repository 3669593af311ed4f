"""vLLM's server over HTTP: one that this program starts from its own environment, or one that runs already.

Asked for chat completions, the one way to transcribe that takes ``ignore_eos``; transcriptions end at the first end
token. Its own scheduler batches: requests that come together are sent together, each on a connection of its own.
Standard library and numpy only.
"""

import base64
import http.client
import io
import json
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from loop import Arrive, Transcribe, serve

RATE_HZ = 16_000
START_S = 600.0
REQUEST_S = 600.0
STOP_S = 30.0
ARGUMENTS = (
    "--max-model-len=2048",
    "--no-enable-prefix-caching",  # a clip that comes twice is work twice, as for the other peers
    "--mm-processor-cache-gb=0",
    "--disable-log-stats",
    "--disable-uvicorn-access-log",
)


@dataclass(frozen=True)
class Client:
    """Asks a server for answers of one length."""

    url: str
    model: str
    tokens: int

    def transcribe(self, clip: np.ndarray) -> int:
        """Send a clip, float32 [n] at 16 kHz, and wait for all of its answer; returns how many tokens it has."""
        audio = {"data": base64.b64encode(wav(clip)).decode(), "format": "wav"}
        content = [{"type": "input_audio", "input_audio": audio}]
        request = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_completion_tokens": self.tokens,
            "ignore_eos": True,
            "temperature": 0.0,
        }
        answer = ask(f"{self.url}/v1/chat/completions", json.dumps(request).encode())
        count = answer["usage"]["completion_tokens"]
        if count != self.tokens:
            raise RuntimeError(f"an answer has {count} tokens, {self.tokens} were forced")
        return count


def wav(clip: np.ndarray) -> bytes:
    """Encode float32 [n] at 16 kHz with 16 bits a sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE_HZ)
        audio.writeframes((np.clip(clip, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
    return file.getvalue()


def ask(url: str, body: bytes | None = None) -> dict[str, Any]:
    """GET, or POST a body, without any proxy; returns the answer's object.

    Raises:
        RuntimeError: the server refused; with what it said.
        OSError, http.client.HTTPException: no answer, or none in time.
    """
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=REQUEST_S)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", parts.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{url}: {answer.status}: {content.decode(errors='replace')}")
    return json.loads(content)


@contextmanager
def started(config: dict[str, Any]) -> Iterator[str]:
    """Serve ``config["model"]`` until the end; gives the address once models are served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "OMP_NUM_THREADS": config["threads"],
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # bound, it decides how many cores it takes
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; enough for 8 clips of 10 s at released sizes
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    command = ["env", *(f"{name}={value}" for name, value in environment.items())]
    command += [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", config["model"]]
    command += ["--host=127.0.0.1", f"--port={port}", f"--dtype={config['dtype']}", *ARGUMENTS]
    process = subprocess.Popen(
        [*command, *config["options"].get("arguments", ())],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),  # this program's output is the pipe
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers; it listens only after its model is loaded and warm."""
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise RuntimeError(f"vllm serve ended with {process.returncode}; its output is above")
        try:
            ask(f"{url}/v1/models")
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
    raise RuntimeError(f"vllm serve gave no answer in {START_S:g} s")


def load(stack: ExitStack, config: dict[str, Any]) -> tuple[Transcribe, Arrive]:
    """Serve ``config["model"]``, or use ``config["options"]["url"]``; answers are ``config["tokens"]`` long."""
    url = config["options"].get("url") or stack.enter_context(started(config))
    client = Client(url, ask(f"{url}/v1/models")["data"][0]["id"], config["tokens"])

    def arrive(clips: Sequence[np.ndarray], at_s: Sequence[float]) -> list[float]:
        begin_s = time.perf_counter()

        def send(clip: np.ndarray, due_s: float) -> float:
            time.sleep(max(0.0, due_s - (time.perf_counter() - begin_s)))
            client.transcribe(clip)
            return time.perf_counter() - begin_s

        with ThreadPoolExecutor(len(clips)) as pool:
            return list(pool.map(send, clips, at_s))

    return client.transcribe, arrive


if __name__ == "__main__":
    with ExitStack() as servers:
        serve(partial(load, servers))
