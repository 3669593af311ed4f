"""Containers by their first bytes."""

import numpy as np
import pytest

from speech_service.domain.audio import Container
from speech_service.domain.errors import InvalidAudioError
from speech_service.media.decode.sniff import (
    SEARCH_BYTES,
    SNIFF_BYTES,
    first_audio,
    identify,
    is_enough,
    sniff,
)
from tests.unit.media.encode import KINDS, encode, encoded, speechlike

pytestmark = pytest.mark.unit
EXPECTED = {
    "wav": Container.WAV,
    "flac": Container.FLAC,
    "ogg": Container.OGG_OPUS,
    "mp3": Container.MP3,
    "webm": Container.WEBM_OPUS,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_encode(kind: str) -> None:
    expected = EXPECTED.get(kind, Container.M4A)
    head = encoded(kind)[:SNIFF_BYTES]
    assert sniff(head) is expected
    assert identify(head, expected, "audio") is expected


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"#EXTM3U\n#EXT", "playlist"),
        (b"#!AMR_MC1.0\n", "AMR"),
        (b"\0" * 12, "not a known"),
        (b"RIFF\0\0\0\0AVI ", "not a known"),
    ],
)
def test_refused_by_name(head: bytes, name: str) -> None:
    assert sniff(head) is None
    with pytest.raises(InvalidAudioError, match=name) as caught:
        identify(head, None, "recognize.audio")
    assert caught.value.option == "recognize.audio"
    assert "FLAC" in caught.value.allowed


def test_declared_wrongly() -> None:
    with pytest.raises(InvalidAudioError, match="declared as wav, but the bytes are flac"):
        identify(b"fLaC" + b"\0" * 8, Container.WAV, "audio")


def test_an_mp3_may_begin_inside_a_frame() -> None:
    assert identify(b"\x12" * 12, Container.MP3, "audio") is Container.MP3


@pytest.mark.parametrize("second", [0xFB, 0xFA, 0xF3, 0xF2, 0xE3])
def test_layer_3_sync(second: int) -> None:
    assert sniff(bytes([0xFF, second]) + b"\0" * 10) is Container.MP3


@pytest.mark.parametrize("second", [0xEB, 0xFD, 0xFF, 0x00])
def test_other_syncs(second: int) -> None:
    assert sniff(bytes([0xFF, second]) + b"\0" * 10) is None


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"FORM\0\0\1\0AIFF", Container.AIFF),
        (b"FORM\0\0\1\0AIFC", Container.AIFF),
        (b"\xff\xf1\x50\x80\0\0\0\0\0\0\0\0", Container.AAC),
        (b"\xff\xf9\x50\x80\0\0\0\0\0\0\0\0", Container.AAC),
        (b"#!AMR\n\0\0\0\0\0\0", Container.AMR),
        (b"#!AMR-WB\n\0\0\0", Container.AMR),
        (b"caff\0\1\0\0desc", Container.CAF),
        (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", Container.W64),
        (b"\0\0\0\x08wide\0\0\0\0", Container.M4A),
    ],
)
def test_formats_beside_the_common_ones(head: bytes, container: Container) -> None:
    assert identify(head, None, "audio") is container
    assert identify(head, container, "audio") is container


BARE = {"mp3": Container.MP3, "aac": Container.AAC}


def bare(kind: str) -> bytes:
    """A file of frames alone."""
    fmt, codec, options = {
        "mp3": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
        "aac": ("adts", "aac", {}),
    }[kind]
    return encode(speechlike(44_100, 1.0), 44_100, fmt, codec, options)


@pytest.mark.parametrize("kind", BARE)
@pytest.mark.parametrize(
    "ahead",
    [b"\r\n" * 8, b"\xef\xbb\xbf" * 5, bytes(3000), b"\xff" * 40, b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_frames_behind_what_is_no_audio(kind: str, ahead: bytes) -> None:
    head = (ahead + bare(kind))[:SEARCH_BYTES]
    frame = first_audio(head)
    assert frame is not None
    assert (frame.container, head[frame.at :][:2]) == (BARE[kind], bare(kind)[:2])
    assert identify(head, None, "audio") is BARE[kind]


@pytest.mark.parametrize("kind", BARE)
def test_a_recording_that_begins_inside_a_frame(kind: str) -> None:
    data = bare(kind)
    head = data[len(data) // 3 :][:SEARCH_BYTES]
    assert identify(head, None, "audio") is BARE[kind]
    assert is_enough(head, None)


def test_what_is_told_is_not_searched_and_noise_is_waited_for() -> None:
    noise = np.random.default_rng(3).bytes(SEARCH_BYTES)
    assert first_audio(noise) is None
    assert not is_enough(noise[:-1], None)
    assert is_enough(noise, None)
    assert is_enough(noise[:SNIFF_BYTES], Container.MP3)
    assert not is_enough(noise[:SNIFF_BYTES], Container.WAV)
    assert is_enough(encoded("wav")[:SNIFF_BYTES], None)
    assert is_enough(b"#EXTM3U\n#EXT", None)


AHEAD = [
    b"\n",
    b"\xef\xbb\xbf",
    bytes(512),
    b"HTTP/1.1 200 OK\r\nContent-Type: audio/x\r\n\r\n",
    b'------Form\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
    b"text of OggS, fLaC, WAVE, ftyp and RIFF",
]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "webm", "m4a"])
@pytest.mark.parametrize("ahead", AHEAD)
def test_containers_behind_what_is_no_audio(kind: str, ahead: bytes) -> None:
    data = encoded(kind)
    found = first_audio((ahead + data)[:SEARCH_BYTES])
    assert found == (len(ahead), sniff(data))
    assert is_enough((ahead + data)[: len(ahead) + 100], None)


@pytest.mark.parametrize("name", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"fuyp"])
@pytest.mark.parametrize("kind", ["m4a", "m4a-faststart", "m4a-fragmented"])
def test_a_first_box_without_its_name(kind: str, name: bytes) -> None:
    data = encoded(kind)
    assert first_audio(data[:4] + name + data[8:SEARCH_BYTES]) == (0, Container.M4A)
