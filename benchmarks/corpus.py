"""Recordings to send: the data set's manifest where it is present, else the samples of the moonshine-voice wheel.

The data set is optional and never part of this repository. Everything becomes 16 kHz mono s16 here, once, so that
the service and a program compared with it hear exactly the same samples.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks import ROOT

RATE = 16_000
BYTES_PER_S = RATE * 2
DEFAULT_DATA = ROOT.parent / "shared" / "data" / "speech"
BUNDLED = "bundled"
"""Group name of the wheel's own samples."""


class DataMissingError(RuntimeError):
    """The recordings that a benchmark needs are not here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording."""

    name: str
    group: str
    text: str
    pcm: bytes = field(repr=False)
    """16 kHz mono s16."""
    words: Sequence[tuple[str, float, float]] = ()
    """Word, start and end in seconds; machine alignments unless ``words_source`` says exact."""
    words_source: str = ""

    @property
    def duration_s(self) -> float:
        """Length of the audio."""
        return len(self.pcm) / BYTES_PER_S


def load(group: str, data: Path | None = None, limit: int = 0) -> list[Clip]:
    """The clips of a manifest group, in manifest order.

    Args:
        group: group of the manifest, or ``bundled``.
        data: folder with manifest.jsonl; None: next to the repository.
        limit: this many clips, spread evenly over the group; 0: all.

    Raises:
        DataMissingError: no manifest, or nothing in the group.
    """
    if group == BUNDLED:
        return _spread(bundled(), limit)
    folder = data or DEFAULT_DATA
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise DataMissingError(f"no speech data at {folder}; name its folder with --data")
    rows = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    chosen = [row for row in rows if row["group"] == group and row.get("text")]
    if not chosen:
        raise DataMissingError(f"{manifest} has no transcribed recording in group {group!r}")
    return [_clip(folder, row) for row in _spread(chosen, limit)]


def load_or_bundled(group: str, data: Path | None = None, limit: int = 0) -> list[Clip]:
    """As :func:`load`; without the data set, the wheel's samples (whose group name says so)."""
    try:
        return load(group, data, limit)
    except DataMissingError:
        return load(BUNDLED, limit=limit)


def bundled() -> list[Clip]:
    """Pieces of about 8 s from the read speech inside the moonshine-voice wheel. No transcripts, no word times."""
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise DataMissingError("neither the data set nor the moonshine-voice wheel is installed")
    assets = Path(spec.origin).parent / "assets"
    pcm = b"".join(decode(assets / name) for name in ("two_cities.wav", "beckett.wav"))
    step = 8 * BYTES_PER_S
    pieces = [pcm[at : at + step] for at in range(0, len(pcm) - step // 2, step)]
    return [Clip(f"{BUNDLED}-{i}", BUNDLED, "", piece) for i, piece in enumerate(pieces)]


def decode(path: Path) -> bytes:
    """Any audio file as 16 kHz mono s16."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts: list[bytes] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [_samples(out) for out in resampler.resample(frame)]
    parts += [_samples(out) for out in resampler.resample(None)]
    return b"".join(parts)


def silence(seconds: float) -> bytes:
    """Room tone: noise of one least significant bit or two, the same every time. Digital zero is no microphone."""
    noise = np.random.default_rng(1).integers(-2, 3, int(seconds * RATE), dtype=np.int16)
    return noise.tobytes()


def fingerprint(clips: Sequence[Clip]) -> str:
    """Names the audio that was used, so that two results can be compared."""
    checksum = 0
    for clip in clips:
        checksum = zlib.crc32(clip.pcm, checksum)
    total = sum(clip.duration_s for clip in clips)
    return f"{len(clips)} clips, {total:.1f} s, crc32 {checksum:08x}"


def of_length(clips: Sequence[Clip], seconds: float) -> list[Clip]:
    """Clips spread evenly over ``clips`` that last about ``seconds`` together; 0: all of them."""
    total = sum(clip.duration_s for clip in clips)
    if not seconds or seconds >= total:
        return list(clips)
    return _spread(clips, max(1, round(len(clips) * seconds / total)))


def _samples(frame: Any) -> bytes:
    return frame.to_ndarray().tobytes()


def _spread(items: Sequence[Any], limit: int) -> list[Any]:
    if not limit or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(limit)]


def _clip(folder: Path, row: dict[str, Any]) -> Clip:
    words = [
        (word["w"], float(word["start"]), float(word["end"])) for word in row.get("words") or ()
    ]
    return Clip(
        name=Path(row["path"]).stem,
        group=row["group"],
        text=row["text"],
        pcm=decode(folder / row["path"]),
        words=words,
        words_source=row.get("words_source") or "",
    )
