"""``recognize`` of several files, long files and standard input: order, subtitles, output folders."""

import asyncio
import json
import os
from pathlib import Path

import grpc
import pytest

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.commands import cli, start
from tests.integration.scripted_server import (
    Context,
    Scripted,
    abort,
    ended,
    response,
    result,
    serve,
    started,
)

ABOVE_16_MIB = 17 << 20


def refined(text: str, segment: int) -> pb.RecognitionResult:
    start_ms = (segment - 1) * 1000
    word = pb.Word(text=text, start_ms=start_ms + 100, end_ms=start_ms + 900, char_end=len(text))
    raw = result(text, segment, words=[word])
    raw.kind = common.RESULT_KIND_REFINED
    return raw


async def all_but_the_fourth(server: Scripted, context: Context) -> None:
    """FINALs, then their words in the order of the FINALs, as the contract says; those of the fourth never."""
    await context.write(started())
    texts = ["One.", "Two.", "Three.", "Four.", "Five."]
    for segment, text in enumerate(texts, 1):
        await context.write(response(result=result(text, segment)))
    for segment in (1, 2, 3, 5):
        await context.write(response(result=refined(texts[segment - 1], segment)))
    while await context.read() is not grpc.aio.EOF:
        pass
    await context.write(ended())


async def test_words_are_printed_in_the_order_of_time(tmp_path: Path) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x")
    async with serve(all_but_the_fourth) as server:
        given = ("recognize", str(file), "--stream", "--words", "--server", server.target)
        words = await cli(*given)
        as_json = await cli(*given, "--json")
        vtt = await cli(*given, "--vtt")
    assert [line.split("\t")[2] for line in words.out.splitlines()] == [
        *("One.", "Two.", "Three.", "Four.", "Five."),
    ]
    assert words.out.splitlines()[3] == "3.000\t4.000\tFour."  # No words ever came.
    *results, summary = as_json.json
    assert [line["segment_id"] for line in results] == [1, 2, 3, 4, 5]
    assert summary["text"] == "One. Two. Three. Four. Five."
    assert vtt.out.startswith("WEBVTT\n\n1\n00:00:00.100 --> ")
    shown = " ".join(line for line in vtt.out.splitlines() if "-->" not in line)
    assert [word for word in shown.split() if word.endswith(".")] == [
        *("One.", "Two.", "Three.", "Four.", "Five."),
    ]


@pytest.mark.parametrize("tells", ["a later REFINED", "a warning"])
async def test_a_segment_whose_words_never_come_holds_nothing_back(
    tmp_path: Path, tells: str
) -> None:
    """What stands behind it is written while the stream goes on; the server ends it once that was seen."""
    written = asyncio.Event()

    async def script(_: Scripted, context: Context) -> None:
        await context.write(started())
        for segment, text in enumerate(["One.", "Two."], 1):
            await context.write(response(result=result(text, segment)))
        if tells == "a warning":
            warning = common.Warning(reason="WORD_TIMES_UNAVAILABLE", start_ms=0, end_ms=1000)
            await context.write(response(warning=warning))
        await context.write(response(result=refined("Two.", 2)))
        await written.wait()
        await context.write(ended())

    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x")
    async with serve(script) as server:
        given = ("recognize", str(file), "--stream", "--words", "--server", server.target)
        process = await start(*given)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            lines = [(await process.stdout.readline()).decode() for _ in range(2)]
        written.set()
        await process.communicate()
    assert lines == ["0.000\t1.000\tOne.\n", "1.100\t1.900\tTwo.\n"]


@pytest.mark.parametrize("form", ["--srt", "--vtt"])
async def test_subtitles_of_a_file_above_the_limit_of_one_request(
    form: str, tmp_path: Path
) -> None:
    file = tmp_path / "long.mp3"
    file.write_bytes(bytes(ABOVE_16_MIB))
    async with serve() as server:
        done = await cli("recognize", str(file), form, "--server", server.target)
    assert (done.code, done.err) == (0, "")
    assert f"{ABOVE_16_MIB} bytes in all" in done.out
    assert "00:00:00" in done.out


async def test_subtitles_of_several_files_and_of_standard_input(tmp_path: Path) -> None:
    one, two, folder = tmp_path / "one.mp3", tmp_path / "two.mp3", tmp_path / "made" / "here"
    one.write_bytes(b"x")
    two.write_bytes(b"xx")
    async with serve() as server:
        target = ("--server", server.target)
        several = await cli(
            *("recognize", str(one), str(two), "-", "--srt", "--output-dir", str(folder)),
            *target,
            stdin=b"xyz",
        )
        piped = await cli("recognize", "-", "--srt", *target, stdin=b"xyz")
    assert (several.code, several.out, several.err) == (0, "", "")
    assert {file.name for file in folder.iterdir()} == {"one.srt", "two.srt", "stdin.srt"}
    assert "1 bytes" in (folder / "one.srt").read_text()
    assert "2 bytes" in (folder / "two.srt").read_text()
    assert piped.out == (folder / "stdin.srt").read_text()
    assert piped.out.startswith("1\n00:00:00,000 --> 00:00:01,000\n3 bytes in all\n")


@pytest.mark.parametrize("form", [(), ("--srt",), ("--json",)])
async def test_pipes_are_files_too(form: tuple[str, ...], tmp_path: Path) -> None:
    """Such as ``<(ffmpeg ...)``: they cannot be sought in, and nobody knows their length."""
    fifo, file = tmp_path / "pipe.mp3", tmp_path / "file.mp3"
    os.mkfifo(fifo)
    file.write_bytes(b"xyz")
    async with serve() as server:
        target = ("--server", server.target)
        process = await start("recognize", str(fifo), *form, *target)
        await asyncio.to_thread(fifo.write_bytes, b"xyz")
        out, err = await asyncio.wait_for(process.communicate(), 200)
        other = await cli("recognize", str(file), "--stream", *form, *target)
        empty = await start("recognize", str(fifo), *target)
        await asyncio.to_thread(fifo.write_bytes, b"")
        _, told = await asyncio.wait_for(empty.communicate(), 200)
    assert (process.returncode, err) == (0, b"")
    assert out.decode().replace("pipe.mp3", "file.mp3") == other.out
    assert "3 bytes in all" in other.out
    assert empty.returncode == 2
    assert told.endswith(b"pipe.mp3: holds no audio (0 bytes)\n")


@pytest.mark.parametrize(
    ("flags", "ending", "content"),
    [
        ((), ".txt", "1 bytes\nsecond\n"),
        (("--words",), ".tsv", "0.000\t1.000\t1 bytes\n1.000\t2.000\tsecond\n"),
        (("--json",), ".jsonl", None),
    ],
)
async def test_other_forms_in_a_folder(
    flags: tuple[str, ...], ending: str, content: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "one.mp3"
    file.write_bytes(b"x")
    async with serve() as server:
        done = await cli(
            *("recognize", str(file), *flags, "--output-dir", str(tmp_path)),
            *("--server", server.target),
        )
    assert (done.code, done.out, done.err) == (0, "", "")
    written = (tmp_path / f"one{ending}").read_text()
    if content is None:
        kinds = [json.loads(line)["type"] for line in written.splitlines()]
        assert kinds == ["result", "result", "summary"]
    else:
        assert written == content


async def test_what_came_before_a_failure_is_kept(tmp_path: Path) -> None:
    async def break_off(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.write(response(result=result("So far.")))
        await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_AUDIO", "it is broken")

    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x")
    given = ("recognize", str(file), "--stream")
    async with serve(break_off) as server:
        target = ("--server", server.target)
        text = await cli(*given, *target)
        srt = await cli(*given, "--srt", *target)
        words = await cli(*given, "--words", "--output-dir", str(tmp_path), *target)
    assert (text.code, text.out) == (1, "So far.\n")
    assert "INVALID_AUDIO: it is broken" in text.err
    assert (srt.code, srt.out) == (1, "1\n00:00:00,000 --> 00:00:01,000\nSo far.\n")
    assert words.code == 1
    part = tmp_path / "talk.part.tsv"
    assert part.read_text() == "0.000\t1.000\tSo far.\n"
    assert f"what came so far is in {part}" in words.err
    assert not (tmp_path / "talk.tsv").exists()


async def test_a_failure_leaves_an_older_transcript_as_it_was(tmp_path: Path) -> None:
    async def break_off(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.write(response(result=result("So far.")))
        await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_AUDIO", "it is broken")

    file, old = tmp_path / "talk.mp3", tmp_path / "talk.txt"
    file.write_bytes(b"x")
    old.write_text("Before.")
    given = ("recognize", str(file), "--stream", "--output-dir", str(tmp_path))
    async with serve(break_off) as server:
        done = await cli(*given, "--server", server.target)
    assert done.code == 1
    assert old.read_text() == "Before."
    assert (tmp_path / "talk.part.txt").read_text() == "So far.\n"
    assert f"{old} is as it was" in done.err
    assert done.err.count("INVALID_AUDIO") == 1


async def test_output_files_do_not_overwrite_each_other_or_the_input(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    same, also = tmp_path / "a" / "x.mp3", tmp_path / "b" / "x.wav"
    odd = tmp_path / "x.txt"
    for file in (same, also, odd):
        file.write_bytes(b"x")
    target = ("--server", "127.0.0.1:1", "--output-dir", str(tmp_path))
    clash = await cli("recognize", str(same), str(also), *target)
    over = await cli("recognize", str(odd), *target)
    blocked = await cli("recognize", str(same), *target[:3], str(odd))
    assert (clash.code, over.code, blocked.code) == (2, 2, 2)
    assert "would both be written to" in clash.err
    assert "is one of the inputs" in over.err
    assert "cannot be written" in blocked.err
    assert odd.read_bytes() == b"x"


async def test_a_file_without_speech_gives_an_empty_file(tmp_path: Path) -> None:
    async def silence(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        return pb.RecognizeResponse()

    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x")
    async with serve(unary=silence) as server:
        given = ("recognize", str(file), "--output-dir", str(tmp_path), "--server", server.target)
        assert (await cli(*given)).code == 0
        assert (await cli(*given, "--srt")).code == 0
    assert (tmp_path / "talk.txt").read_text() == ""
    assert (tmp_path / "talk.srt").read_text() == ""


async def test_names_that_are_no_text_and_encodings_that_lack_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    japanese, bytes_only = tmp_path / "日本語.mp3", tmp_path / os.fsdecode(b"bad\xff.mp3")
    for file in (japanese, bytes_only):
        file.write_bytes(b"x")
    async with serve() as server:
        given = ("recognize", str(japanese), str(bytes_only), "absent", "--server", server.target)
        monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
        latin = await raw(*given)
        monkeypatch.setenv("PYTHONIOENCODING", "ascii")
        as_json = await raw(*given, "--json")
        monkeypatch.delenv("PYTHONIOENCODING")
        utf8 = await raw(*given, "--output-dir", str(tmp_path / os.fsdecode(b"out\xfe")))
    for _, err in (latin, as_json, utf8):
        assert b"this is a bug" not in err
        assert err.count(b"\n") == 1  # about the file that is absent
    assert b"\\u65e5\\u672c\\u8a9e.mp3: 1 bytes\n" in latin[0]
    assert b"bad\xff.mp3: 1 bytes\n" in latin[0]
    names = [json.loads(line)["file"] for line in as_json[0].splitlines()]
    assert str(japanese) in names
    assert str(bytes_only) in names
    assert (tmp_path / os.fsdecode(b"out\xfe") / "日本語.txt").read_text() == "1 bytes\nsecond\n"


async def raw(*words: str) -> tuple[bytes, bytes]:
    """Standard output and error as bytes."""
    process = await start(*words)
    return await process.communicate()
