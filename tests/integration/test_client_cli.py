"""The command line as a process: output, JSON Lines, exit codes, one-line errors."""

import asyncio
import os
import signal
import struct
import sys
from pathlib import Path

import grpc
import pytest

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.commands import TIMEOUT_S, Done, cli, start
from tests.integration.scripted_server import (
    Context,
    Scripted,
    abort,
    ended,
    reply,
    response,
    result,
    serve,
    started,
)


def wav(seconds: float) -> bytes:
    data = bytes(int(seconds * 32_000))
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    return b"RIFF\0\0\0\0WAVE" + fmt + struct.pack("<4sI", b"data", len(data)) + data


async def speak(server: Scripted, context: Context) -> None:
    """A partial, then a final, then the end of the audio."""
    await context.write(started())
    begin = common.SpeechEvent(kind=common.SPEECH_EVENT_KIND_BEGIN, time_ms=10)
    await context.write(response(speech_event=begin))
    await context.write(response(result=result("it was", final=False)))
    await context.write(response(result=result("it was the best")))
    await context.write(response(result=result("of times", 2, final=False)))
    while (message := await context.read()) is not grpc.aio.EOF:
        server.requests.append(message)
    await context.write(response(result=result("of times.", 2)))
    await context.write(ended())


async def test_recognize_prints_text_in_the_order_given(tmp_path: Path) -> None:
    async def slow_first(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        await asyncio.sleep(0.5 if len(request.audio) == 1 else 0)
        return await reply(request, context)

    one, two = tmp_path / "one.mp3", tmp_path / "two.mp3"
    one.write_bytes(b"x")
    two.write_bytes(b"xx")
    async with serve(unary=slow_first) as server:
        alone = await cli("recognize", "--server", server.target, str(two))
        both = await cli("recognize", "--server", server.target, str(one), str(two))
    assert alone == Done(0, "2 bytes\nsecond\n", "")
    assert both == Done(0, f"{one}: 1 bytes\n{one}: second\n{two}: 2 bytes\n{two}: second\n", "")


async def test_recognize_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "one.mp3"
    file.write_bytes(b"x")
    async with serve() as server:
        done = await cli("recognize", "--server", server.target, "--json", str(file), "absent.wav")
    first, _, summary, error = done.json
    assert first == {
        "type": "result",
        "file": str(file),
        "segment_id": 1,
        "channel": 0,
        "text": "1 bytes",
        "start_ms": 0,
        "end_ms": 1000,
        "confidence": None,
        "language": None,
        "end_cause": "endpoint",
        "words": [],
    }
    assert summary["text"] == "1 bytes second"
    assert summary["audio_ms"] == 2000
    assert isinstance(summary["latency_ms"], dict)
    assert set(summary["latency_ms"]) == {
        *("queue", "first_result", "p50_lag", "p95_lag", "encode", "decode", "total"),
    }
    assert set(error) == {
        *("type", "file", "code", "reason", "message", "request_id", "exit_code"),
    }
    assert (error["file"], error["code"], error["exit_code"]) == ("absent.wav", None, 2)
    assert done.code == 2
    assert done.err == (
        "speech-service recognize: absent.wav: cannot be read: No such file or directory\n"
    )


async def test_recognize_streams_large_files_stdin_and_on_request(tmp_path: Path) -> None:
    large, small = tmp_path / "large.mp3", tmp_path / "small.mp3"
    large.write_bytes(bytes(5 << 20))
    small.write_bytes(bytes(1000))
    async with serve() as server:
        target = ("--server", server.target)
        assert (await cli("recognize", *target, str(large))).out == "5242880 bytes in all\n"
        assert (await cli("recognize", *target, "--stream", str(small))).out == (
            "1000 bytes in all\n"
        )
        raw = ("--raw", "pcm_s16le:8000")
        done = await cli("recognize", *target, *raw, "-", stdin=bytes(70_000))
        assert done.out == "70000 bytes in all\n"
        config = next(r.config for r in reversed(server.requests) if r.HasField("config"))
        assert config.audio.raw.sample_rate_hz == 8000
        assert config.pacing == common.PACING_FILE


async def test_recognize_streams_when_the_reply_would_be_too_large(tmp_path: Path) -> None:
    async def too_large(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        await abort(context, grpc.StatusCode.OUT_OF_RANGE, "REPLY_TOO_LARGE", "stream it")
        return pb.RecognizeResponse()

    file = tmp_path / "long.opus"
    file.write_bytes(b"123")
    async with serve(unary=too_large) as server:
        assert await cli("recognize", "--server", server.target, str(file)) == Done(
            0, "3 bytes in all\n", ""
        )


async def test_errors_are_one_line_with_more_on_request(tmp_path: Path) -> None:
    async def refuse(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "config.model: no")
        return pb.RecognizeResponse()

    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x")
    async with serve(unary=refuse) as server:
        brief = await cli("recognize", "--server", server.target, str(file))
        full = await cli("recognize", "--server", server.target, str(file), "--verbose")
    line = f"speech-service recognize: {file}: INVALID_FIELD: config.model: no\n"
    assert brief == Done(1, "", line)
    assert full.err.startswith(line)
    assert "request id: req-from-server" in full.err
    assert "\n  field config.model\n" in full.err


async def test_nobody_answers(tmp_path: Path) -> None:
    file = tmp_path / "talk.wav"
    file.write_bytes(wav(0.2))
    for words in (("recognize", str(file)), ("listen", str(file)), ("models",)):
        done = await cli(*words, "--server", "127.0.0.1:1")
        assert done.code == 3
        assert done.err.count("\n") == 1
        assert "no server answers at 127.0.0.1:1" in done.err
        assert "speech-service serve" in done.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("recognize",), "the following arguments are required: FILE"),
        (("recognize", "--raw", "mp3:1", "x"), "is not ENCODING:HZ[:CHANNELS]"),
        (("recognize", "--raw", "pcm_s16le:0", "x"), "sample_rate_hz: 0 is not in 1 to"),
        (("recognize", "--raw", "pcm_s16le:16000:0", "x"), "channel_count: 0 is not in 1 to"),
        (("recognize", "--raw", "mulaw:99999999999", "x"), "sample_rate_hz: 99999999999 is not"),
        (("synthesize", "x", "--sample-rate", "-1"), "'-1' is not a whole number"),
        (("synthesize", "x", "--sample-rate", "9" * 30), "is not a whole number"),
        (("align", "-", "--text", "-"), "standard input can be read once"),
        (("align", __file__, "--text", "x", "--plot", "x.png"), "only WAV with"),
        (("recognize", "--jobs", "0", "x"), "is not a positive number"),
        (("listen", "-"), "--raw pcm_s16le:16000"),
        (("listen", __file__), "only WAV and headerless audio can be sent in real time"),
        (("serve", "--set", "server.port=1"), "server.port: unknown key"),
        (("serve", "--config", "absent.toml"), "cannot read configuration file absent.toml"),
        (("models", "--token-file", "absent"), "absent: cannot be read"),
        (("juggle",), "there is no command 'juggle'. See `speech-service --help`"),
    ],
)
async def test_wrong_usage(words: tuple[str, ...], hint: str) -> None:
    done = await cli(*words)
    assert done.code == 2
    assert hint in done.err


async def test_listen_prints_plain_lines_and_saves_a_picture(tmp_path: Path) -> None:
    file, picture = tmp_path / "talk.wav", tmp_path / "listen.svg"
    file.write_bytes(wav(0.3))
    async with serve(speak) as server:
        done = await cli(
            *("listen", str(file), "--server", server.target, "--partials"),
            *("--record-svg", str(picture)),
        )
        config = server.requests[0].config
    assert done.code == 0
    assert done.out.splitlines() == [
        "[00:00.0] ~ it was",
        "[00:00.0] it was the best",
        "[00:01.0] ~ of times",
        "[00:01.0] of times.",
    ]
    assert "first result 321 ms" in done.err
    assert config.pacing == common.PACING_REALTIME
    svg = picture.read_text()
    assert "listen&#160;talk.wav" in svg or "listen talk.wav" in svg
    assert "it&#160;was&#160;the&#160;best" in svg
    assert "speaking" in svg
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
        "https://www.textualize.io", ""
    )


async def test_interrupting_listen_ends_it_in_order(tmp_path: Path) -> None:
    file = tmp_path / "talk.wav"
    file.write_bytes(wav(60))
    async with serve(speak) as server:
        process = await start("listen", str(file), "--server", server.target)
        assert process.stdout is not None
        assert b"it was the best" in await asyncio.wait_for(process.stdout.readline(), TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        kinds = [request.WhichOneof("payload") for request in server.requests]
    assert process.returncode == 0
    assert b"of times." in out
    assert kinds[-1] == "end_of_audio"


async def test_interrupting_recognize(tmp_path: Path) -> None:
    async def stall(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.write(response(result=result("so far")))
        await asyncio.sleep(TIMEOUT_S)

    file = tmp_path / "talk.wav"
    file.write_bytes(wav(1))
    async with serve(stall) as server:
        process = await start("recognize", "--stream", str(file), "--server", server.target)
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        await asyncio.wait_for(server.closed.wait(), TIMEOUT_S)
    assert process.returncode == 130
    assert err == b""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("recognize", "-"), 130),
        (("recognize", "FIFO"), 130),
        (("recognize", "FIFO", "--srt"), 130),
        (("listen", "-", "--raw", "pcm_s16le:16000"), 0),  # what was heard is finished first
    ],
)
async def test_ctrl_c_ends_what_waits_for_audio_that_does_not_come(
    words: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    fifo = tmp_path / "FIFO"
    os.mkfifo(fifo)
    asked = asyncio.Event()

    async def wait(server: Scripted, context: Context) -> None:
        await context.write(started())
        asked.set()
        while await context.read() is not grpc.aio.EOF:
            pass
        await context.write(ended())

    async with serve(wait) as server:
        words = tuple(str(fifo) if word == "FIFO" else word for word in words)
        process = await start(*words, "--server", server.target)
        async with asyncio.timeout(TIMEOUT_S):
            await asked.wait()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(TIMEOUT_S):
            await process.wait()
    assert process.returncode == code


async def test_models() -> None:
    async with serve() as server:
        table = await cli("models", "--server", server.target)
        full = await cli("models", "--server", server.target, "--long")
        as_json = await cli("models", "--server", server.target, "--json")
    assert table.out == "scripted\trecognizer\tready\tdefault\ten\n"
    assert full.out.startswith(table.out.rstrip())
    assert "\t16000 Hz\tpartial_results, word_times\tMIT\tmax_channels 8\t" in full.out
    (model,) = as_json.json
    assert model["name"] == "scripted"
    assert model["limits"] == {"max_channels": 8}
    assert "raw" not in model


async def test_doctor() -> None:
    async with serve() as server:
        health = await cli("doctor", "--health", "--server", server.target)
        table = await cli("doctor", "--server", server.target)
    assert health == Done(0, f"{server.target}: SERVING\n", "")
    assert table.code == 1  # The scripted recognition service says NOT_SERVING.
    assert "RecognitionService" in table.out
    assert "look at the log of `serve`" in table.out
    assert "SynthesisService" not in table.out
    down = await cli("doctor", "--health", "--server", "127.0.0.1:1")
    assert down.code == 1
    assert down.err.startswith("speech-service doctor: no server answers at 127.0.0.1:1")


async def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "one.mp3"
    file.write_bytes(b"x")
    async with serve() as server:
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m speech_service recognize --server {server.target} {file} | true",
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert err == b""


async def test_a_priority_is_sent_and_only_lowers(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav(0.5))
    async with serve(speak) as server:
        for words in ((), ("--priority", "batch"), ("--priority", "batch", "--stream")):
            await cli("recognize", str(file), *words, "--server", server.target)
    sent = [metadata.get("x-speech-priority") for metadata in server.metadata]
    assert sent == [None, "batch", "batch"]


@pytest.mark.parametrize("command", ["recognize", "translate", "align", "synthesize"])
async def test_commands_whose_work_can_wait_have_a_priority(command: str) -> None:
    told = await cli(command, "--help")
    assert "--priority {default,batch}" in told.out
    raised = await cli(command, "--priority", "interactive", "x")
    assert raised.code == 2
    assert "batch" in raised.err


async def test_a_server_that_dies_in_mid_stream_is_told_as_that(tmp_path: Path) -> None:
    """The client looks for another server first, for half a minute of waiting."""
    file = tmp_path / "talk.wav"
    file.write_bytes(wav(3.0))
    told: list[None] = []
    both = asyncio.Event()

    async def begin(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.write(response(result=result("So far.")))
        told.append(None)
        if len(told) == 2:
            both.set()
        await asyncio.Event().wait()

    async with serve(begin) as server:
        target = ("--server", server.target)
        processes = [
            await start("recognize", str(file), "--stream", *target),
            await start("listen", str(file), *target),
        ]
        await asyncio.wait_for(both.wait(), TIMEOUT_S)
    for process in processes:
        out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        assert process.returncode == 3
        assert b"So far." in out
        assert b"the connection was lost after 1.0 s of audio; the text ends there: " in err
        assert err.count(b"no server answers at") == 1
        assert b"Traceback" not in err
