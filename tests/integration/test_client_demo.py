"""`make demo`, for real: a server of its own, a real recording, and nothing left behind."""

import io
import subprocess
import sys
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import pytest
import srt
from rich.console import Console

from speech_client import PreconditionError, SpeechClient
from speech_service.cli.demo_speech import NOT_SERVED, Tour, matching_words
from tests.integration.scripted_server import Context, abort
from tests.integration.scripted_speech import serve_speech

DEMO_TIMEOUT_S = 90
BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."


def test_demo(tmp_path: Path) -> None:
    if find_spec("moonshine_voice") is None or find_spec("onnxruntime") is None:
        pytest.skip("the server extra is not installed")
    log, out = tmp_path / "server.log", tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "speech_service", "demo", "--log-file", str(log), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    live, _, rest = done.stdout.partition("Whole file:")
    finals = [line.split("final")[1].strip() for line in live.splitlines() if " final " in line]
    assert " ".join(finals) == BECKETT
    assert "partial" in live
    assert "It was the best of times" in rest
    for said in (
        "first words after speech starts",
        "final after the client says finalize",
        "x real time",
        "s of audio in",
        "18 of 18 words",
        "Bom dia.",
        "11 cues",
        "SIGTERM to exit",
        "grpcurl -plaintext",
    ):
        assert said in rest, said
    assert "not served" not in rest
    made = {file.name for file in out.iterdir()}
    assert made == {"spoken.wav", "two_cities.srt", "two_cities.pt.srt"}
    with wave.open(str(out / "spoken.wav")) as spoken:
        assert spoken.getnframes() > 2 * spoken.getframerate()
    english, portuguese = (
        list(srt.parse((out / name).read_text("utf-8")))
        for name in ("two_cities.srt", "two_cities.pt.srt")
    )
    assert [(cue.start, cue.end) for cue in english] == [(cue.start, cue.end) for cue in portuguese]


async def test_a_part_that_is_not_served_is_said_to_be_so_and_no_other_failure(
    tmp_path: Path,
) -> None:
    code = grpc.StatusCode.UNIMPLEMENTED

    async def refuse(request: Any, context: Context) -> None:
        await abort(context, code, "REASON", "not here")

    shown = io.StringIO()
    async with serve_speech(refuse) as server, SpeechClient.connect(server.target) as client:
        tour = Tour(client, Console(file=shown), tmp_path, tmp_path / "long.wav")
        (tmp_path / "long.wav").write_bytes(b"audio")
        await tour.run()
        assert tour.rows[0] == ("speak", NOT_SERVED)
        assert [name for name, _ in tour.rows] == [
            *("speak", "translate", "subtitles", "translate subtitles"),
        ]
        assert "not served by this server yet: not here" in shown.getvalue()
        code = grpc.StatusCode.FAILED_PRECONDITION
        with pytest.raises(PreconditionError):
            await tour.run()


@pytest.mark.parametrize(
    ("heard", "same"),
    [("ONE, two three!", 3), ("one three", 2), ("one too three", 2), ("", 0), ("x one y", 1)],
)
def test_matching_words(heard: str, same: int) -> None:
    assert matching_words("One two three.", heard) == (same, 3)
