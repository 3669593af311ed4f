"""Which form of audio an ending and ``--format`` agree on."""

import argparse
from pathlib import Path

import pytest

from speech_service.cli.commands import synthesize
from speech_service.cli.failure import CommandError, ExitCode


def form_of(output: str | None, form: str | None = None) -> str:
    given = argparse.Namespace(output=Path(output) if output else None, format=form)
    return synthesize.audio_format(given)


@pytest.mark.parametrize(
    ("output", "form", "gives"),
    [
        ("a.wav", None, "wav"),
        ("A.WAVE", None, "wav"),
        ("a.ogg", None, "opus"),
        ("a.b.opus", None, "opus"),
        ("a.raw", None, "pcm"),
        ("a.raw", "mulaw", "mulaw"),
        ("a.f32", None, "f32"),
        ("a.wav", "wav", "wav"),
        ("a.bin", "mp3", "mp3"),
        ("-", None, "wav"),
        ("a", None, "wav"),
        ("-", "mp3", "mp3"),
        (None, None, "wav"),
    ],
)
def test_forms(output: str | None, form: str | None, gives: str) -> None:
    assert form_of(output, form) == gives


@pytest.mark.parametrize(
    "ending", ["m4a", "aac", "webm", "txt", "mp4", "aiff", "wma", "mp33", "json"]
)
def test_an_unknown_ending_is_an_error_with_the_list(ending: str) -> None:
    with pytest.raises(CommandError, match=r"\.wav .*\.flac .*\.mp3 .*\.opus .*--format") as caught:
        form_of(f"hi.{ending}")
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("output", "form"),
    [("a.wav", "mp3"), ("a.mp3", "wav"), ("a.ogg", "flac"), ("a.pcm", "f32"), ("a.raw", "wav")],
)
def test_an_ending_that_says_otherwise_is_an_error(output: str, form: str) -> None:
    with pytest.raises(CommandError, match=f"--format says {form}"):
        form_of(output, form)
