"""Files that commands write: whole under their name, or not at all."""

import contextlib
import os
import resource
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.output_file import OutputFile
from speech_service.cli.sinks import FileSink
from speech_service.cli.texts import write_file
from speech_service.cli.ui import word_plot
from tests.unit.cli.test_speech_commands import wav

OLD = b"what somebody had"


@contextlib.contextmanager
def little_room(size_bytes: int) -> Iterator[None]:
    """No file may become larger than this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(OLD)
    path.chmod(0o640)
    file = OutputFile(path)
    file.write(b"half")
    assert path.read_bytes() == OLD
    assert (tmp_path / "talk.part.wav").read_bytes() == b"half"
    file.write(b" and half")
    file.finish()
    assert path.read_bytes() == b"half and half"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["talk.wav"]


def test_what_is_kept_of_a_stream_is_told_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    first = OutputFile(path)
    first.write(b"1")
    assert first.keep() == f"what came so far is in {tmp_path / 'talk.part.wav'}"
    path.write_bytes(OLD)
    second = OutputFile(path)
    second.write(b"2")
    part = tmp_path / "talk.part2.wav"
    assert second.keep() == f"{path} is as it was; what came so far is in {part}"
    assert OutputFile(path).keep() == ""
    assert names(tmp_path) == ["talk.part.wav", "talk.part2.wav", "talk.wav"]
    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == [b"1", b"2", OLD]


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_bytes(OLD)
    for path in (old, new):
        with little_room(20), pytest.raises(CommandError, match="cannot be written") as caught:
            write_file(path, bytes(100))
        assert str(caught.value).startswith(f"{path}: ")
        assert caught.value.code is ExitCode.USAGE
    assert names(tmp_path) == ["old.txt"]
    assert old.read_bytes() == OLD


def test_a_picture_replaces_an_older_one_only_whole(tmp_path: Path) -> None:
    sound, picture = tmp_path / "a.wav", tmp_path / "a.png"
    sound.write_bytes(wav(bytes(8000)))
    picture.write_bytes(OLD)
    with little_room(100), pytest.raises(CommandError, match="cannot be written"):
        word_plot.draw(picture, sound, ())
    assert (names(tmp_path), picture.read_bytes()) == (["a.png", "a.wav"], OLD)
    word_plot.draw(picture, sound, ())
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_lines_that_do_not_fit_are_told_once_and_those_that_did_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_bytes(OLD)
    sink = FileSink(path)
    sink.put("One.")
    with little_room(6), pytest.raises(CommandError, match="cannot be written"):
        sink.put("Two, which is long.")
    part = tmp_path / "talk.part.txt"
    assert sink.end(failed=True) == f"{path} is as it was; what came so far is in {part}"
    assert path.read_bytes() == OLD
    assert part.read_bytes().startswith(b"One.\n")


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    real.write_bytes(OLD)
    link.symlink_to(real)
    write_file(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_what_is_no_file_is_written_as_it_stands(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, "through")
    reader.join(60)
    write_file(Path("/dev/null"), "gone")
    assert got == [b"through"]
    assert names(tmp_path) == ["pipe"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent" / "a.txt"):
        with pytest.raises(CommandError, match="cannot be written") as caught:
            write_file(path, "x")
        assert str(path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(OLD)
    path.chmod(0o444)
    with pytest.raises(CommandError, match="Permission denied"):
        write_file(path, "x")
    assert path.read_bytes() == OLD
