"""A waveform with its words, as a PNG. Needs matplotlib, which no other part of the program does."""

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from speech_client import AlignedUnit
from speech_service.cli.failure import missing_extra
from speech_service.cli.texts import write_file
from speech_service.cli.ui.wav_file import read_samples
from speech_service.config.environment import keep_matplotlib_out_of_home

_COLUMNS = 2400
"""Points of the outline; more cannot be seen."""

_INCHES_PER_S, _LEAST_INCHES, _MOST_INCHES, _HEIGHT_INCHES = 1.6, 8.0, 60.0, 2.8
_DPI, _LEAST_S = 120, 0.01
_WAVE, _WORD, _DOUBT = "#4c78a8", "#f2cf5b", "#e45756"


def check(audio: Path) -> None:
    """Find out before a long wait what a picture lacks. Raises as ``draw``."""
    _plotting()
    read_samples(audio)


def _plotting() -> Any:
    keep_matplotlib_out_of_home()
    try:
        # Drawn by the library's own renderer: no window system is asked for.
        return import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        raise missing_extra("plot", "matplotlib") from error


def draw(path: Path, audio: Path, words: Sequence[AlignedUnit]) -> None:
    """Write the picture; doubtful times are red.

    Raises:
        CommandError: matplotlib is missing, the audio is no WAV, or the picture cannot be written.
    """
    figures = _plotting()
    samples, rate = read_samples(audio)
    length_s = max(len(samples) / rate, *(word.end_ms / 1000 for word in words), _LEAST_S)
    width = min(max(length_s * _INCHES_PER_S, _LEAST_INCHES), _MOST_INCHES)
    figure = figures.Figure(figsize=(width, _HEIGHT_INCHES), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    _outline(axes, samples, rate)
    for index, word in enumerate(words):
        start_s, end_s = word.start_ms / 1000, word.end_ms / 1000
        colour = _WORD if word.monotonic else _DOUBT
        axes.axvspan(start_s, end_s, color=colour, alpha=0.35 if index % 2 else 0.6, zorder=0)
        middle_s = (start_s + end_s) / 2
        axes.text(
            middle_s,
            1.04,
            word.text,
            ha="center",
            va="bottom",
            fontsize=8,
            rotation=35,
            parse_math=False,
        )
    axes.set(xlim=(0, length_s), ylim=(-1, 1), yticks=[], xlabel="seconds")
    axes.spines[["top", "left", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_file(path, picture.getvalue())


def _outline(axes: Any, samples: Any, rate: int) -> None:
    """The highest and lowest sample of each column, scaled to the loudest."""
    if not len(samples):
        return
    step = max(1, -(-len(samples) // _COLUMNS))
    padded = np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)
    loudest = max(float(np.abs(padded).max()), 1e-6)
    at_s = np.arange(len(padded)) * step / rate
    low, high = padded.min(axis=1) / loudest, padded.max(axis=1) / loudest
    axes.fill_between(at_s, low, high, color=_WAVE, linewidth=0.3, zorder=2)
