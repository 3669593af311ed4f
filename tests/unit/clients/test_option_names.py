"""No keyword of the client is ignored: what is mistyped is told before anything is sent."""

from collections.abc import Callable
from typing import Any

import pytest

from speech_client import Container, Pacing, RawAudio, SpeechClient
from speech_client.align import build_alignment_config
from speech_client.options import build_config
from speech_client.speech_options import build_synthesis_config
from speech_client.translate_options import (
    build_speech_translation_config,
    build_stream_translation_config,
    build_translation_config,
)

Build = Callable[[Any], object]
BUILDERS: dict[str, Build] = {
    "recognize": build_config,
    "synthesize": build_synthesis_config,
    "align": build_alignment_config,
    "translate": lambda options: build_translation_config("de", options),
    "translate speech": lambda options: build_speech_translation_config("de", options),
    "stream translate": lambda options: build_stream_translation_config("de", options, Pacing.FILE),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_an_unknown_option_is_told_with_those_that_there_are(build: Build) -> None:
    with pytest.raises(
        TypeError,
        match=r"unknown option 'modle' \(did you mean 'model'\?\): there are .*raw_config",
    ):
        build({"modle": "m"})
    with pytest.raises(TypeError, match="unknown option 'x': there are"):
        build({"x": None})


@pytest.mark.parametrize(
    ("build", "options", "name"),
    [
        (build_config, {"endpointing": "vadd"}, "endpointing"),
        (build_config, {"language_mode": ""}, "language_mode"),
        (build_config, {"subtitles": "ass"}, "subtitles"),
        (build_config, {"subtitle_mode": "FAST"}, "subtitle_mode"),
        (build_synthesis_config, {"encoding": "pcm"}, "encoding"),
        (build_synthesis_config, {"segmentation": "word"}, "segmentation"),
        (build_synthesis_config, {"timing": "words"}, "timing"),
        (build_alignment_config, {"granularity": "phoneme"}, "granularity"),
        (BUILDERS["translate speech"], {"subtitles": "sub"}, "subtitles"),
        (BUILDERS["translate speech"], {"recognition": {"endpointing": "no"}}, "endpointing"),
        (BUILDERS["stream translate"], {"synthesis": {"timing": "no"}}, "timing"),
    ],
)
def test_a_word_that_is_no_choice_is_told_with_the_choices(
    build: Build, options: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: '.*' is none of '"):
        build(options)


def test_formats_are_checked_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="encoding: 'pcm' is none of pcm_s16le"):
        RawAudio(16_000, "pcm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="name: 'avi' is none of wav"):
        Container("avi")  # pyright: ignore[reportArgumentType]


async def test_nothing_is_sent() -> None:
    async with SpeechClient.connect("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match="did you mean 'language'"):
            await client.recognize(b"x", languages="en")  # pyright: ignore[reportCallIssue]
        with pytest.raises(TypeError, match="did you mean 'voice'"):
            client.stream_synthesize(voices="x")  # pyright: ignore[reportCallIssue]
