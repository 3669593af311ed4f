"""Damaged containers: how much of the audio that ffmpeg finds in them the service's decoder finds too.

Speech in every container that ffmpeg writes here, damaged in every way of ``damage.py``. "Found" counts blocks of
100 ms in which somebody is heard. "On time" is for damage that leaves the rest where it was (a flipped bit, bytes that
were written over): whether the second that follows it last is where it is in the undamaged file, within 50 ms, both by
the decoder that is measured: it leaves out what an encoder puts before the audio, which ffmpeg does not do everywhere.

Needs the program ffmpeg. ``--base FOLDER`` measures another checkout too (its virtual environment is in ``.venv``).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import ROOT, corpus
from benchmarks.corpus import DataMissingError
from benchmarks.damage import WAYS, damaged
from benchmarks.harness import progress
from benchmarks.results import Run
from benchmarks.stats import Figure

Audio = NDArray[np.float32]
RATE = corpus.RATE
CONTAINERS: Mapping[str, tuple[str, ...]] = {
    "wav": (),
    "adpcm.wav": ("-c:a", "adpcm_ima_wav"),
    "aiff": (),
    "w64": (),
    "caf": ("-c:a", "alac"),
    "flac": (),
    "opus.ogg": ("-c:a", "libopus"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "mp3": (),
    "vbr.mp3": ("-q:a", "4", "-write_xing", "0"),
    "aac": (),
    "m4a": ("-movflags", "+faststart"),
    "alac.m4a": ("-c:a", "alac", "-movflags", "+faststart"),
    "live.mp4": (
        "-movflags",
        "frag_keyframe+empty_moov+default_base_moof",
        "-frag_duration",
        "500000",
    ),
    "mov": ("-movflags", "+faststart"),
    "webm": ("-c:a", "libopus", "-cluster_time_limit", "1000"),
    "vorbis.mka": ("-c:a", "libvorbis", "-cluster_time_limit", "1000"),
}
_SAME_PLACE = ("bit flipped", "zeros over it", "noise over it")
_BLOCK = RATE // 10
_HEARD = 0.01
_LATE = RATE // 20
_TAIL = RATE
_ALL = 0.98
"""Of the blocks; the ends of two decoders differ by one."""


@dataclass(slots=True)
class Tally:
    """What one decoder made of all files."""

    found: list[float]
    """Of what ffmpeg finds, per file: 0 to 1."""
    on_time: list[bool]
    refused: int = 0
    lacking: dict[str, float] = field(default_factory=dict[str, float])
    """Of which files less than all was found, and how much."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--seeds", type=int, default=2, help="accidents of each kind")
    parser.add_argument("--base", type=Path, help="another checkout to compare with")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``damaged_containers.json``."""
    if shutil.which("ffmpeg") is None:
        raise DataMissingError("the program ffmpeg is not installed")
    record = Run("damaged_containers", args)
    seeds = 1 if args.quick else args.seeds
    with tempfile.TemporaryDirectory() as name:
        folder, whole = Path(name) / "damaged", Path(name) / "whole"
        _make(folder, whole, args.data, seeds)
        theirs = {file.name: _ffmpeg(file) for file in sorted(folder.iterdir())}
        checkouts = {"": ROOT} | ({"base: ": args.base.resolve()} if args.base else {})
        tallies = {
            label: _tally(_decoded(folder, checkout), theirs, _decoded(whole, checkout))
            for label, checkout in checkouts.items()
        }
    figures = [figure for label, tally in tallies.items() for figure in _figures(label, tally)]
    detail: dict[str, Any] = {
        "containers": list(CONTAINERS),
        "ways": list(WAYS),
        "files": len(theirs),
    }
    detail["lacking"] = {label: tally.lacking for label, tally in tallies.items()}
    record.write(figures, {"seeds": seeds, "block_ms": 100}, detail)


def _make(folder: Path, undamaged: Path, data: Path | None, seeds: int) -> None:
    """Write the damaged files, and the undamaged ones."""
    folder.mkdir()
    undamaged.mkdir()
    clip = max(corpus.load_or_bundled("en-read", data, limit=8), key=lambda c: c.duration_s)
    with progress("damaging", len(CONTAINERS)) as advance:
        for container, options in CONTAINERS.items():
            whole = undamaged / f"whole.{container}"
            command = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-i", "-"]
            subprocess.run([*command, *options, str(whole)], input=clip.pcm, check=True)
            content = whole.read_bytes()
            for number, way in enumerate(WAYS):
                for seed in range(seeds):
                    file = folder / f"{number:02}-{seed}.{container}"
                    file.write_bytes(damaged(content, way, seed))
            advance(container)


def _ffmpeg(file: Path) -> Audio:
    """16 kHz mono; empty where ffmpeg finds nothing."""
    command = ["ffmpeg", "-v", "quiet", "-i", str(file), "-vn", "-ac", "1", "-ar", str(RATE)]
    done = subprocess.run([*command, "-f", "f32le", "-"], capture_output=True)
    return np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], "<f4")


def _decoded(folder: Path, checkout: Path) -> dict[str, Audio | None]:
    """By that checkout's decoder, at 16 kHz; None where the file was refused."""
    python = sys.executable if checkout == ROOT else str(checkout / ".venv" / "bin" / "python")
    script = str(ROOT / "benchmarks" / "damaged_decode.py")
    path = f"PYTHONPATH={checkout}:{checkout / 'proto/gen/python'}"
    subprocess.run(["env", path, python, "-P", script, str(folder)], check=True)
    results: dict[str, Any] = json.loads((folder / "decoded.json").read_text())
    decoded = {
        name: None if "refused" in result else _at_16k(folder / f"{name}.f32", result["rate"])
        for name, result in results.items()
    }
    for made in [*folder.glob("*.f32"), folder / "decoded.json"]:
        made.unlink()
    return decoded


def _at_16k(file: Path, rate: int) -> Audio:
    from soxr import resample

    return resample(np.frombuffer(file.read_bytes(), "<f4"), rate, RATE)


def _tally(
    decoded: Mapping[str, Audio | None],
    theirs: Mapping[str, Audio],
    whole: Mapping[str, Audio | None],
) -> Tally:
    tally = Tally([], [])
    ways = list(WAYS)
    for name, ours in decoded.items():
        tally.refused += ours is None and _heard(theirs[name]) > 0
        heard = _heard(theirs[name])
        if heard:
            tally.found.append(0.0 if ours is None else min(1.0, _heard(ours) / heard))
        place, _, container = name.partition(".")
        way = ways[int(place.partition("-")[0])]
        if heard and tally.found[-1] < _ALL:
            tally.lacking[f"{container}, {way}, {name}"] = round(tally.found[-1], 3)
        if way in _SAME_PLACE:
            tally.on_time += _on_time(ours, whole[f"whole.{container}"])
    return tally


def _heard(audio: Audio) -> int:
    """Blocks in which somebody is heard."""
    blocks = audio[: len(audio) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    return int((np.sqrt(np.square(blocks).mean(axis=1)) > _HEARD).sum()) if len(blocks) else 0


def _on_time(ours: Audio | None, clean: Audio | None) -> list[bool]:
    """Whether the last second is where it was; nothing where that cannot be told, as the end is missing."""
    if ours is None or clean is None:
        return [False]
    if len(ours) < len(clean) - RATE // 2:
        return []
    end = len(clean) - RATE // 4
    part = clean[end - _TAIL : end]
    start = end - _TAIL - 2 * _LATE
    region = ours[start : end + 2 * _LATE]
    if len(region) < len(part) + 2 * _LATE or _heard(region) < 3:
        return []
    at = int(np.argmax(np.correlate(region, part)))
    return [abs(at - 2 * _LATE) <= _LATE]


def _figures(label: str, tally: Tally) -> list[Figure]:
    share = 100 * float(np.mean(tally.found))
    whole = 100 * float(np.mean([found >= _ALL for found in tally.found]))
    on_time = 100 * float(np.mean(tally.on_time))
    aims = (None, None, None) if label else (98.0, 95.0, 0.0)
    note = f"{len(tally.found)} files in which ffmpeg finds speech"
    return [
        Figure(f"{label}audio found, of what ffmpeg finds", "%", [share], aims[0], "higher", note),
        Figure(f"{label}files with all of it", "%", [whole], aims[1], "higher", note),
        Figure(f"{label}later times right", "%", [on_time], aims[1], "higher"),
        Figure(f"{label}files refused", "files", [tally.refused], aims[2]),
    ]
