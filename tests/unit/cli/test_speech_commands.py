"""Parts of the commands that speak, align and translate, without a server."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech_client import AlignedUnit, Model, UnalignedReason, UnalignedSpan, UnitKind
from speech_service.cli import inputs, run
from speech_service.cli.commands import align
from speech_service.cli.commands.languages import by_language
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.texts import read_argument, read_file, write_file
from speech_service.cli.ui import playback, wav_file, word_plot


def wav(
    samples: bytes, *, tag: int = 1, bits: int = 16, channels: int = 1, size: int = -1
) -> bytes:
    frame = channels * bits // 8
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, 8000, 8000 * frame, frame, bits)
    length = len(samples) if size < 0 else size
    return b"RIFF\0\0\0\0WAVE" + fmt + struct.pack("<4sI", b"data", length) + samples


def test_a_streamed_header_is_completed() -> None:
    file = io.BytesIO(wav(bytes(100), size=0xFFFF_FFFF))
    wav_file.complete_header(file)
    done = file.getvalue()
    assert struct.unpack_from("<I", done, 4)[0] == len(done) - 8
    assert struct.unpack_from("<I", done, len(done) - 104)[0] == 100
    assert file.tell() == len(done)


def test_what_is_no_wav_stays_as_it_is() -> None:
    file = io.BytesIO(b"fLaC" + bytes(50))
    wav_file.complete_header(file)
    assert file.getvalue() == b"fLaC" + bytes(50)
    wav_file.complete_header(None)


def test_samples_are_mixed_and_scaled(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav(struct.pack("<4h", 16384, 0, -32768, -32768), channels=2) + b"x")
    samples, rate = wav_file.read_samples(file)
    assert rate == 8000
    assert samples.tolist() == [0.25, -1.0]
    file.write_bytes(wav(struct.pack("<2f", 0.5, -0.5), tag=3, bits=32))
    assert wav_file.read_samples(file)[0].tolist() == [0.5, -0.5]


@pytest.mark.parametrize("data", [b"", b"ID3", wav(b"12", tag=7, bits=8)])
def test_other_files_cannot_be_drawn(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(data)
    with pytest.raises(CommandError, match="can be drawn") as caught:
        wav_file.read_samples(file)
    assert caught.value.code is ExitCode.USAGE


def test_a_plot_of_silence_and_of_doubt(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file, picture = tmp_path / "a.wav", tmp_path / "a.png"
    doubt = AlignedUnit("$1 _x_ <b>", UnitKind.WORD, 0, 2, 0, 10, monotonic=False)
    for samples in (b"", bytes(2), bytes(40_000)):
        file.write_bytes(wav(samples))
        word_plot.draw(picture, file, [doubt])
        assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(CommandError, match="cannot be written"):
        word_plot.draw(tmp_path / "absent" / "a.png", file, [])


def test_text_arguments(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfol\xc3\xa1")
    assert read_argument("hello") == "hello"
    assert read_argument(f"@{file}") == read_file(file) == "ol\xe1"
    file.write_bytes(b"\xff")
    with pytest.raises(CommandError, match="is not UTF-8"):
        read_file(file)
    with pytest.raises(CommandError, match="cannot be written"):
        write_file(tmp_path / "absent" / "a.txt", "x")


def test_languages_with_defaults_first() -> None:
    def model(name: str, kind: str, languages: tuple[str, ...], is_default: bool) -> Model:
        return Model(name, kind, "ready", languages, 0, (), {}, is_default, "", "")

    matrix = by_language(
        [
            model("a", "recognizer", ("pt", "en"), False),
            model("b", "recognizer", ("en",), True),
            model("c", "translator", (), True),
            model("d", "language_identifier", ("en",), True),
        ]
    )
    assert matrix == {
        "any": {"translator": ["c"]},
        "en": {"recognizer": ["b", "a"]},
        "pt": {"recognizer": ["a"]},
    }


class FakeDevices(SimpleNamespace):
    """Enough of ``sounddevice`` to play."""

    class PortAudioError(Exception):
        """No device."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken
        self.played = b""
        self.log: list[Any] = []

    def RawOutputStream(self, **format: Any) -> "FakeDevices":
        if self.broken:
            raise self.PortAudioError("no default device")
        self.log.append((format["samplerate"], format["channels"], format["dtype"]))
        return self

    def start(self) -> None:
        self.log.append("start")

    def write(self, data: bytes) -> None:
        self.played += data

    def stop(self) -> None:
        self.log.append("stop")

    def close(self) -> None:
        self.log.append("close")


async def test_playing_on_a_sound_device(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = FakeDevices()
    monkeypatch.setattr(inputs, "import_module", lambda name: devices)
    stream = wav(np.arange(50, dtype="<i2").tobytes(), size=0xFFFF_FFFF)
    async with playback.open_player() as player:
        for at in range(0, len(stream), 10):  # The header comes in pieces too.
            await player.feed(stream[at : at + 10])
    assert devices.played == stream[44:]
    assert devices.log == [(8000, 1, "int16"), "start", "stop", "close"]


async def test_no_sound_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "import_module", lambda name: FakeDevices(broken=True))
    with pytest.raises(CommandError, match="no loudspeaker can be opened"):
        async with playback.open_player() as player:
            await player.feed(wav(bytes(4)))


def test_a_long_text_that_was_not_placed_is_shown_by_its_ends() -> None:
    text = "It begins. " + "word " * 40_000 + "It ends."
    span = UnalignedSpan(0, len(text), 0, 1000, UnalignedReason.TEXT_NOT_SPOKEN)
    shown = align.describe(span, text)
    assert len(shown) < 250
    assert "It begins." in shown
    assert "It ends." in shown
    assert f"{len(text)} characters" in shown
    assert align.describe(replace(span, char_end=9), text).startswith("'It begins' (")


def test_a_plot_is_called_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["align", "a.wav", "--text", "Hi", "--plot", "hi.xyz", "--server", "127.0.0.1:1"]
    assert run(words) == ExitCode.USAGE
    assert "hi.xyz: a plot is a PNG; name it hi.png" in capsys.readouterr().err
