"""`make demo`, for real: a server of its own, a real recording, and nothing left behind."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

DEMO_TIMEOUT_S = 90


def test_demo(tmp_path: object) -> None:
    if find_spec("moonshine_voice") is None or find_spec("onnxruntime") is None:
        pytest.skip("the server extra is not installed")
    log = f"{tmp_path}/server.log"
    done = subprocess.run(
        [sys.executable, "-m", "speech_service", "demo", "--log-file", log],
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    live, _, rest = done.stdout.partition("Whole file:")
    assert "partial" in live
    assert "No matter." in live
    assert "It was the best of times" in rest
    assert "first partial after speech starts" in rest
    assert "x real time" in rest
    assert "SIGTERM to exit" in rest
    assert "grpcurl -plaintext" in rest
