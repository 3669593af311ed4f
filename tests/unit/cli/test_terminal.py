"""What a terminal, a pipe and a strange encoding get to see."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from speech_service.cli import streams
from speech_service.cli.ui import tables
from speech_service.cli.ui.progress import (
    FileProgress,
    audio_length_ms,
    clock,
    status,
)
from speech_service.cli.ui.tables import Column, show
from tests.unit.cli.test_speech_commands import wav

COLUMNS = [Column("Name"), Column("Kind"), Column("Languages", wraps=True)]
ROWS = [["moonshine-tiny-en", "recognizer", "en, pt, de, fr, es, it, nl, pl"], ["x", "", "[b]"]]


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(width: int, monkeypatch: pytest.MonkeyPatch, *, blocks: bool = False) -> list[str]:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    console = Console(file=out, width=width, highlight=False, markup=False, color_system=None)
    monkeypatch.setattr(tables, "terminal", lambda: console)
    show(COLUMNS, ROWS, blocks=blocks)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_pipe_gets_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    show(COLUMNS, ROWS)
    assert capsys.readouterr().out == (
        "moonshine-tiny-en\trecognizer\ten, pt, de, fr, es, it, nl, pl\nx\t\t[b]\n"
    )


@pytest.mark.parametrize("width", [200, 80, 60, 45, 40, 20])
def test_a_table_fits_its_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = on_terminal(width, monkeypatch)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "recognizer" in text
    assert "[b]" in text
    assert min(len(line) for line in lines if line) > 0
    # No column is so narrow that its words fall apart.
    assert all(word in text for word in ("en,", "pt,", "pl", "moonshine-tiny-en"))


def test_wide_rows_share_lines_and_narrow_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_terminal(80, monkeypatch)[1].startswith("moonshine-tiny-en  recognizer  en, pt,")
    assert on_terminal(30, monkeypatch)[:2] == ["moonshine-tiny-en", "  kind recognizer"]
    assert on_terminal(80, monkeypatch, blocks=True)[:2] == [
        "moonshine-tiny-en",
        "  kind recognizer",
    ]


class OfAFile(streams.JsonLine):
    """A line that names a file."""

    file: str


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp437", "shift_jis"])
@pytest.mark.parametrize(
    "text", ["plain", "日本語.wav", "a\u0301", "😀", "bad\udcff.wav", "lone \ud800", "\x85", "é"]
)
def test_any_text_can_be_written(encoding: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, errors="strict"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding))
    streams.prepare()
    print(text)
    print(streams.json_line(OfAFile(text)))
    sys.stdout.flush()
    written = raw.getvalue()
    assert json.loads(written.splitlines()[-1]) == {"file": text}
    if text == "bad\udcff.wav":
        assert b"bad\xff.wav" in written  # The name as the file system has it.


def test_closed_streams_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    streams.prepare()
    replaced = (sys.stdin, sys.stdout, sys.stderr)
    assert sys.stdin.read() == ""
    print("nobody hears this")
    streams.flush()
    for stream in replaced:
        stream.close()


def test_times() -> None:
    assert [clock(s) for s in (0, 59.6, 600, 3_725)] == ["0:00", "1:00", "10:00", "1:02:05"]


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (80, "1:00 of 4:00 recognized  ETA 0:30  elapsed 0:10"),
        (40, "1:00 of 4:00  ETA 0:30  elapsed 0:10"),
        (30, "1:00 of 4:00  ETA 0:30"),
        (10, "1:00 of 4:00"),
    ],
)
def test_progress_is_labelled_and_fits(room: int, shown: str) -> None:
    assert status(60_000, 240_000, 0.25, 10.0, "recognized", room) == shown


def test_no_time_left_is_claimed_before_it_can_be_reckoned() -> None:
    assert status(0, None, None, 3.0, "recognized", 80) == "elapsed 0:03"
    assert status(5_000, None, None, 3.0, "recognized", 80) == "0:05 recognized  elapsed 0:03"
    assert status(None, None, 0.5, 3.0, "recognized", 80) == "50%  ETA 0:03  elapsed 0:03"


def one_bar(length_ms: int | None, moved: list[float]) -> FileProgress:
    screen = Progress()
    return FileProgress(screen, screen.add_task("a", total=None), length_ms, moved.append)


def test_progress_is_what_was_recognized_and_not_what_was_sent(tmp_path: Path) -> None:
    moved: list[float] = []
    file = tmp_path / "a.wav"
    file.write_bytes(wav(bytes(160_000)))  # 10 s of 8 kHz, 16 bit
    bar = one_bar(audio_length_ms(str(file), None), moved)
    bar.sent(160_044, 160_044)
    assert moved == []
    bar.done(2_500)
    bar.done(1_000)  # A FINAL of an earlier channel does not turn the bar back.
    bar.done(5_000)
    assert moved == [0.25, 0.25, 0.5]


def test_the_length_of_a_container_is_reckoned_from_what_was_received(tmp_path: Path) -> None:
    moved: list[float] = []
    file = tmp_path / "a.mp3"
    file.write_bytes(b"ID3")
    bar = one_bar(audio_length_ms(str(file), None), moved)
    bar.sent(1_000, 4_000)
    bar.done(1_000)
    assert moved == []  # Nothing to reckon by.
    bar.received(10_000)
    bar.done(4_000)
    assert moved == [0.1]


def test_the_length_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav(bytes(16_000)))
    assert audio_length_ms(str(file)) == 1000
    file.write_bytes(wav(bytes(16_000), size=0xFFFF_FFFF))
    assert audio_length_ms(str(file)) == 1000
    file.write_bytes(b"OggS")
    assert audio_length_ms(str(file)) is None
    assert audio_length_ms(str(tmp_path / "absent")) is None
    assert audio_length_ms("-") is None
