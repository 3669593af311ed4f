"""The commands that speak, align and translate, as processes: output, files, exit codes, one-line errors."""

import asyncio
import json
import signal
import sys
import wave
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.commands import Done, cli, start
from tests.integration.scripted_server import Context, abort, serve
from tests.integration.scripted_speech import serve_speech, streamed_wav

PLAYER = """#!/bin/sh
exec cat > {sink}
"""


async def test_synthesize_writes_a_file(tmp_path: Path) -> None:
    file, notes = tmp_path / "hi.flac", tmp_path / "notes.txt"
    notes.write_text("\ufeffHi there")
    async with serve_speech() as server:
        target = ("--server", server.target)
        done = await cli(
            *("synthesize", f"@{notes}", "-o", str(file), "--timings", "--voice", "alloy"),
            *("--rate", "1.5", "--gain", "-3", "--sample-rate", "8000", "--trim", *target),
        )
        process = await start("synthesize", "-", "-o", "-", "--timings", *target)
        piped, words = await process.communicate(b"Hi")
    assert done.code == 0
    assert done.out == "0.010\t0.500\tHi there\n"
    assert "warning: speak up" in done.err
    assert "0.50 s of audio" in done.err
    assert "from the cache" in done.err
    assert file.read_bytes() == streamed_wav()
    request = server.requests[0]
    assert request.text == "Hi there"
    config = request.config
    assert (config.voice_id, config.output.encoding, config.output.trim_silence) == ("alloy", 4, 1)
    assert (config.speaking_rate, config.gain_db, config.timing) == (1.5, -3, 2)
    assert piped == streamed_wav()
    assert b"0.010\t0.500\tHi" in words  # They would spoil the audio on stdout.


async def test_synthesize_streams_and_completes_the_header(tmp_path: Path) -> None:
    async def too_large(request: Any, context: Context) -> None:
        if type(request).__name__ == "SynthesizeRequest":
            await abort(context, grpc.StatusCode.OUT_OF_RANGE, "REPLY_TOO_LARGE", "stream it")

    asked, forced = tmp_path / "asked.wav", tmp_path / "forced.wav"
    async with serve_speech(too_large) as server:
        target = ("--server", server.target)
        first = await cli("synthesize", "Hi", "--stream", "-o", str(asked), *target)
        second = await cli("synthesize", "Hi", "-o", str(forced), *target)
    assert (first.code, second.code) == (0, 0)
    assert "first audio after" in first.err
    assert asked.read_bytes() == forced.read_bytes()
    with wave.open(str(asked)) as opened:
        assert opened.getnframes() == 4000


@pytest.mark.parametrize("before", [None, b"what was there"])
async def test_a_failed_synthesis_keeps_what_came_and_what_was_there(
    before: bytes | None, tmp_path: Path
) -> None:
    file, part = tmp_path / "hi.wav", tmp_path / "hi.part.wav"
    if before is not None:
        file.write_bytes(before)
    async with serve_speech() as server:
        done = await cli(
            *("synthesize", "break off", "--stream", "-o", str(file), "--server", server.target)
        )
    assert done.code == 1
    assert "STREAM_INTERRUPTED" in done.err
    assert f"what came so far is in {part}" in done.err
    assert (file.read_bytes() if file.exists() else None) == before
    assert (f"{file} is as it was" in done.err) == (before is not None)
    with wave.open(str(part)) as opened:
        assert opened.getnframes() > 0


async def test_ctrl_c_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    file, part = tmp_path / "hi.wav", tmp_path / "hi.part.wav"
    file.write_bytes(b"what was there")
    spoken = asyncio.Event()

    async def hang(request: Any, context: Context) -> None:
        spoken.set()
        await asyncio.Event().wait()

    async with serve_speech(hang) as server:
        process = await start(
            *("synthesize", "Hi", "--stream", "-o", str(file), "--server", server.target)
        )
        await asyncio.wait_for(spoken.wait(), 60)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert file.read_bytes() == b"what was there"
    assert not part.exists()  # Nothing had come.


@pytest.mark.parametrize("how", [(), ("--stream",)])
async def test_play_with_an_installed_player(
    how: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, player = tmp_path / "heard.wav", tmp_path / "aplay"
    player.write_text(PLAYER.format(sink=sink))
    player.chmod(0o755)
    # No PortAudio: a module of that name that fails as the real one does without its library.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    async with serve_speech() as server:
        done = await cli("synthesize", "Hi", "--play", *how, "--server", server.target)
        player.write_text("#!/bin/sh\necho no sound card >&2\nexit 1\n")
        failed = await cli("synthesize", "Hi", "--play", *how, "--server", server.target)
        player.unlink()
        monkeypatch.setenv("PATH", str(tmp_path))
        absent = await cli("synthesize", "Hi", "--play", *how, "--server", server.target)
    assert done.code == 0
    assert sink.read_bytes() == streamed_wav()
    assert failed.code == 2
    assert "aplay cannot play: no sound card" in failed.err
    assert absent.code == 4
    assert "'.[mic]'" in absent.err
    assert "-o FILE" in absent.err


async def test_align(tmp_path: Path) -> None:
    file, words = tmp_path / "talk.wav", tmp_path / "words.txt"
    file.write_bytes(streamed_wav())
    words.write_text("one two three")
    async with serve_speech() as server:
        given = ("align", str(file), "--text", f"@{words}", "--server", server.target)
        text = await cli(*given)
        as_json = await cli(*given, "--json")
        srt = await cli(*given, "--srt")
    assert text.out == "0.000\t0.090\tone\n0.100\t0.190\ttwo\n"
    assert text.err == "not aligned: 'three' (text not spoken), 0.80 to 0.90 s\n"
    one, _, unaligned, summary = as_json.json
    assert (one["type"], one["text"], one["start_ms"], one["kind"]) == ("unit", "one", 0, "word")
    assert (unaligned["text"], unaligned["reason"]) == ("three", "text_not_spoken")
    assert (summary["units"], summary["unaligned"], summary["duration_ms"]) == (2, 1, 900)
    assert srt.out == "1\n00:00:00,000 --> 00:00:00,900\none two\n\n"  # Nobody says "three".


async def test_align_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    file, picture = tmp_path / "talk.wav", tmp_path / "talk.png"
    file.write_bytes(streamed_wav())
    other = tmp_path / "talk.mp3"
    other.write_bytes(b"no wav")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    async with serve_speech() as server:
        given = ("--text", "one two", "--plot", str(picture), "--server", server.target)
        done = await cli("align", str(file), *given)
        no_wav = await cli("align", str(other), *given)
        package = tmp_path / "matplotlib"
        package.mkdir()
        (package / "__init__.py").write_text("raise ModuleNotFoundError('no', name='matplotlib')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        absent = await cli("align", str(file), *given)
    assert done.code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not list(home.iterdir()), "matplotlib keeps its fonts elsewhere"
    assert no_wav.code == 2
    assert "only WAV with 16-bit or float samples can be drawn" in no_wav.err
    assert absent.code == 4
    assert "pip install '.[plot]'" in absent.err


async def test_translate(tmp_path: Path) -> None:
    subtitles, made = tmp_path / "talk.srt", tmp_path / "talk.pt.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:01,000\nhi\n")
    audio = tmp_path / "talk.mp3"
    audio.write_bytes(b"four")
    async with serve_speech() as server:
        to = ("--to", "pt", "--server", server.target)
        text = await cli("translate", "Hi", "--from", "en", "--term", "a=b", "--term", "Rio", *to)
        as_json = await cli("translate", "Hi", "--json", *to)
        file = await cli("translate", "--file", str(subtitles), "-o", str(made), *to)
        speech = await cli("translate", "--audio", str(audio), "--from", "en", *to)
        srt = await cli("translate", "--audio", str(audio), "--srt", *to)
    assert text == Done(0, "pt:Hi\n", "")
    config = server.requests[0].config
    assert config.source_language == "en"
    assert [(g.source, g.target) for g in config.glossary] == [("a", "b"), ("Rio", "")]
    translation, summary = as_json.json
    assert (translation["type"], translation["text"]) == ("translation", "pt:Hi")
    assert summary == {"type": "summary", "model": "scripted"}
    assert file == Done(0, "", "")
    assert made.read_text() == "1\n00:00:00,000 --> 00:00:01,000\nHI\n"
    assert speech.out == "pt:4 bytes\n"
    assert list(server.requests[3].config.recognition.language.codes) == ["en"]
    assert srt.out == "1\n00:00:00,000 --> 00:00:00,100\npt:4 bytes\n\n"


async def test_large_files_are_streamed(tmp_path: Path) -> None:
    file = tmp_path / "long.mp3"
    file.write_bytes(bytes(5 << 20))
    async with serve_speech() as server:
        target = ("--server", server.target)
        aligned = await cli("align", str(file), "--text", "one", *target)
        kinds = {type(request).__name__ for request in server.requests}
        translated = await cli("translate", "--audio", str(file), "--to", "pt", *target)
    assert aligned.code == 1
    assert aligned.err.splitlines() == [
        "not aligned: 'o' (not speakable), 0.00 to 0.00 s",
        f"speech-service align: {file}: nothing of the text was found in the audio",
    ]
    assert kinds == {"StreamingAlignRequest"}
    assert translated == Done(0, "pt:5242880 bytes\n", "")
    assert sum(len(r.audio.data) for r in server.requests) == 10 << 20


async def test_voices_and_languages() -> None:
    async with serve_speech() as server:
        target = ("--server", server.target)
        voices = await cli("voices", "--language", "en", *target)
        voices_long = await cli("voices", "--long", *target)
        voices_json = await cli("voices", "--json", *target)
        languages = await cli("languages", *target)
        languages_json = await cli("languages", "--json", *target)
    assert voices.out.splitlines()[0] == "v0\tbuilt-in\tfemale\ten-US"
    assert "\talloy\t" in voices_long.out
    assert voices_json.json[0]["aliases"] == ["alloy"]
    assert voices_json.json[0]["created"] is None
    assert "turn" in languages.out
    english, portuguese = languages_json.json
    assert (english["language"], english["recognizer"], english["translator"]) == (
        *("en", ["ear"]),
        ["turn"],
    )
    assert (portuguese["language"], portuguese["recognizer"]) == ("pt", [])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("synthesize", "Hi"), "say where the audio goes: -o FILE or --play"),
        (("synthesize", "Hi", "--play", "--format", "mp3"), "--play takes WAV, not mp3"),
        (("synthesize", "Hi", "-o", "x.wav", "--rate", "0"), "'0' is not a positive number"),
        (("synthesize", "@absent.txt", "-o", "x.wav"), "absent.txt: cannot be read"),
        (("align", "x.wav"), "the following arguments are required: --text"),
        (("align", "absent.wav", "--text", "Hi"), "absent.wav: cannot be read"),
        (("align", "x.wav", "--text", f"@{sys.executable}"), "is not UTF-8 text"),
        (("translate", "Hi"), "the following arguments are required: --to"),
        (("translate", "--to", "pt"), "give one of TEXT, --file FILE and --audio FILE"),
        (("translate", "Hi", "--file", "x", "--to", "pt"), "give one of TEXT"),
        (("translate", "Hi", "--srt", "--to", "pt"), "--srt and --vtt need --audio"),
        (("translate", "Hi", "--to", "pt", "--term", "=x"), "is not TERM or TERM=TRANSLATION"),
        (("recognize", "--srt", "a.wav", "b.wav"), "add --output-dir DIR"),
        (("recognize", "-", "-"), "standard input can be read once"),
        (("translate", "Hi", "--to", "pt", "-o", "x.srt"), "what comes is TEXT, not SRT"),
        (("translate", "--audio", "x", "--to", "pt", "--vtt", "-o", "x.srt"), "is VTT, not SRT"),
        (("translate", "--audio", "x", "--to", "pt", "--format", "srt"), "--format is for TEXT"),
        (("recognize", "--srt", "--json", "a.wav"), "not allowed with argument"),
    ],
)
async def test_wrong_usage(words: tuple[str, ...], hint: str) -> None:
    done = await cli(*words)
    assert done.code == 2
    assert hint in done.err


async def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    async def refuse(request: Any, context: Context) -> None:
        await abort(context, grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED", "not here")

    async with serve_speech(refuse) as server:
        target = ("--server", server.target)
        for words in (
            ("synthesize", "Hi", "-o", str(tmp_path / "x.wav")),
            ("translate", "Hi", "--to", "pt"),
            ("voices",),
        ):
            done = await cli(*words, *target)
            line = f"speech-service {words[0]}: NOT_IMPLEMENTED: not here\n"
            assert done == Done(1, "", line)


async def test_recognize_subtitles_and_words(tmp_path: Path) -> None:
    from speech.v1 import common_pb2 as common
    from speech.v1 import recognition_service_pb2 as pb
    from tests.integration.scripted_server import Scripted, ended, response, result, started

    word = pb.Word(text="Hi", start_ms=10, end_ms=500, char_end=2)

    async def answer(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        words = [word] if request.config.word_times else []
        return pb.RecognizeResponse(results=[result("Hi", words=words)])

    async def refine(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.write(response(result=result("Hi")))
        await context.write(response(result=result("there", 2)))
        refined = result("Hi", words=[word])
        refined.kind = common.RESULT_KIND_REFINED
        await context.write(response(result=refined))
        while await context.read() is not grpc.aio.EOF:
            pass
        await context.write(ended())

    file = tmp_path / "talk.wav"
    file.write_bytes(streamed_wav())
    async with serve(refine, answer) as server:
        given = ("recognize", str(file), "--server", server.target)
        srt = await cli(*given, "--srt")
        vtt = await cli(*given, "--vtt", "--words")
        words = await cli(*given, "--words")
        streamed = await cli(*given, "--words", "--stream")
        as_json = await cli(*given, "--words", "--json")
    assert srt == Done(0, "1\n00:00:00,000 --> 00:00:01,000\nHi\n", "")
    assert vtt == Done(0, "WEBVTT\n\n1\n00:00:00.010 --> 00:00:01.000\nHi\n", "")
    assert words == Done(0, "0.010\t0.500\tHi\n", "")
    assert streamed == Done(0, "0.010\t0.500\tHi\n1.000\t2.000\tthere\n", "")
    assert json.loads(as_json.out.splitlines()[0])["words"][0]["text"] == "Hi"
