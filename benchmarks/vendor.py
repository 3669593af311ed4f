"""The vendor's own SDK (``moonshine_voice.Transcriber``, tiny-en, moonshine-voice==0.0.73), as a program.

It is what the service is compared with: the same weights, the same samples, its documented Python API. It runs in a
process of its own, so that its CPU time and its threads are its own, on the interpreter of this environment: the wheel
is a dependency of the server extra. Its audio feeding is counted in its CPU time, its model loading is not.

``python -m benchmarks.vendor MODE CLIPS.json OUT.json``; :func:`run` starts it.

What it does that matters here (0.0.73): calls on one Transcriber wait for each other, even of different streams and
threads, so streams are spread over several Transcribers; and a Transcriber carries audio over from one recording to
the next (some transcripts begin with a word of the one before), so accuracy is measured with a fresh one per clip. Both
choices favour the SDK.

``lean`` sets the SDK's documented option ``return_audio_data=false``: without it the binding copies each line's audio
into a Python list at every update, a cost of the binding and not of the recognizer. Both are measured.
"""

import argparse
import json
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import BUILD
from benchmarks.corpus import RATE, Clip
from benchmarks.harness import program

PINNED = "0.0.73"
CHUNK_S = 0.1
Samples = npt.NDArray[np.float32]
UPDATE_S = 0.5


class VendorError(RuntimeError):
    """The SDK could not be run; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the SDK is run."""

    lean: bool = False
    speed: float = 0.0
    """Times real time; 0: as fast as it goes."""
    fresh: bool = False
    """Modes ``offline`` and ``stream``: a Transcriber for each clip; its loading is never counted."""
    transcribers: int = 1
    """Mode ``concurrent``: Transcribers that the streams are spread over."""
    slots: Sequence[Sequence[int]] = ()
    """Mode ``concurrent``: for each stream the numbers of the clips it plays one after another."""
    stagger_s: float = 0.0
    """Mode ``concurrent``: the streams begin spread over this time."""


@dataclass(slots=True)
class Report:
    """What the program gives back."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    audio_s: float = 0.0
    texts: list[str] = field(default_factory=list[str])
    final_lags: list[float] = field(default_factory=list[float])
    """Mode ``concurrent``: last audio (by schedule) to final transcript, seconds, one for each clip played."""
    chunk_lags: list[float] = field(default_factory=list[float])
    """Mode ``concurrent``: how late each stream took its chunks at worst, seconds."""
    errors: list[str] = field(default_factory=list[str])


def run(mode: str, clips: Sequence[Clip], options: Options) -> Report:
    """Run the program on ``clips``; ``mode`` is offline, stream or concurrent.

    Raises:
        VendorError: the SDK is missing, another version, or it failed.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="vendor-") as folder:
        return _run_in(Path(folder), mode, clips, options)


def _run_in(folder: Path, mode: str, clips: Sequence[Clip], options: Options) -> Report:
    files: list[str] = []
    for i, clip in enumerate(clips):
        path = folder / f"{i}.pcm"
        path.write_bytes(clip.pcm)
        files.append(str(path))
    job, out = folder / "job.json", folder / "report.json"
    job.write_text(json.dumps({"files": files, "options": asdict(options)}))
    done = subprocess.run(
        program("benchmarks.vendor", mode, str(job), str(out)), capture_output=True, text=True
    )
    if done.returncode or not out.is_file():
        raise VendorError(f"the vendor's SDK failed ({done.returncode}): {done.stderr[-600:]}")
    return Report(**json.loads(out.read_text()))


def _load(lean: bool) -> Any:
    import moonshine_voice
    from moonshine_voice.transcriber import Transcriber

    found = version("moonshine-voice")
    if found != PINNED:
        raise VendorError(f"moonshine-voice {found} is installed, {PINNED} is the reference")
    model = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
    options = {"return_audio_data": "false"} if lean else {}
    return Transcriber(str(model), moonshine_voice.ModelArch.TINY, UPDATE_S, options)


def _text(transcript: Any) -> str:
    return " ".join(line.text.strip() for line in transcript.lines)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _play(transcriber: Any, clip: Samples, start: float, speed: float) -> tuple[str, float]:
    """One stream over one clip, paced open loop from ``start``; its text, and how late a chunk was taken at worst."""
    step, worst = round(CHUNK_S * RATE), 0.0
    stream = transcriber.create_stream(update_interval=UPDATE_S)
    try:
        stream.start()
        for at in range(0, len(clip), step):
            chunk = clip[at : at + step]
            if speed:
                due = start + (at + len(chunk)) / RATE / speed
                time.sleep(max(0.0, due - time.perf_counter()))
                worst = max(worst, time.perf_counter() - due)
            stream.add_audio(chunk.tolist(), RATE)
        return _text(stream.stop()), worst
    finally:
        stream.close()


def _one_by_one(mode: str, clips: Sequence[Samples], options: Options, report: Report) -> None:
    """Modes offline and stream."""
    transcriber = _load(options.lean)
    if not options.fresh:
        _play(transcriber, clips[0], 0.0, 0.0)  # warm-up
    for clip in clips:
        if options.fresh and report.texts:
            transcriber.close()
            transcriber = _load(options.lean)
        cpu, wall = _cpu_s(), time.perf_counter()
        if mode == "offline":
            report.texts.append(
                _text(transcriber.transcribe_without_streaming(clip.tolist(), RATE))
            )
        else:
            text, lag = _play(transcriber, clip, wall, options.speed)
            report.texts.append(text)
            report.chunk_lags.append(lag)
        report.cpu_s += _cpu_s() - cpu
        report.wall_s += time.perf_counter() - wall
        report.audio_s += len(clip) / RATE


def _concurrent(clips: Sequence[Samples], options: Options, report: Report) -> None:
    """Each slot is a thread that plays its clips in real time, whether or not the one before was late."""
    transcribers = [_load(options.lean) for _ in range(options.transcribers)]
    for transcriber in transcribers:
        _play(transcriber, clips[0], 0.0, 0.0)  # warm-up
    cpu, wall = _cpu_s(), time.perf_counter()
    epoch = time.perf_counter() + 0.5

    def slot(number: int, playlist: Sequence[int]) -> None:
        transcriber = transcribers[number % len(transcribers)]
        start = epoch + options.stagger_s * number / max(1, len(options.slots))
        try:
            for index in playlist:
                _, lag = _play(transcriber, clips[index], start, 1.0)
                start += len(clips[index]) / RATE
                report.final_lags.append(time.perf_counter() - start)
                report.chunk_lags.append(lag)
                report.audio_s += len(clips[index]) / RATE
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is a failed stream
            report.errors.append(f"slot {number}: {error!r}")

    threads = [
        threading.Thread(target=slot, args=(number, playlist), daemon=True)
        for number, playlist in enumerate(options.slots)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.cpu_s, report.wall_s = _cpu_s() - cpu, time.perf_counter() - wall


def main() -> None:
    """Run one mode and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["offline", "stream", "concurrent"])
    parser.add_argument("job", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    job = json.loads(args.job.read_text())
    options = Options(**job["options"])
    samples = [np.frombuffer(Path(name).read_bytes(), "<i2") for name in job["files"]]
    clips = [clip.astype(np.float32) / np.float32(32768) for clip in samples]
    report = Report()
    if args.mode == "concurrent":
        _concurrent(clips, options, report)
    else:
        _one_by_one(args.mode, clips, options, report)
    args.out.write_text(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
