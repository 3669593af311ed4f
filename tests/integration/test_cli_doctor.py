"""``doctor``, ``align`` and ``translate`` as programs use them: exit codes, JSON, who holds a port."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from speech.v1 import alignment_service_pb2 as align_pb
from speech_service.cli import EXIT_CODES
from tests.integration.commands import cli
from tests.integration.scripted_server import Context, serve
from tests.integration.scripted_speech import Speech, serve_speech, streamed_wav


async def test_a_server_that_does_not_answer_fails() -> None:
    named = await cli("doctor", "--server", "127.0.0.1:1", "--json")
    assert named.code == 1
    (check,) = named.json
    assert (check["check"], check["verdict"]) == ("server", "fail")
    assert "speech-service serve" in str(check["fix"])
    only_here = await cli("doctor", "--no-server", "--json")
    assert "server" not in {line["check"] for line in only_here.json}
    assert all(set(line) == {"check", "verdict", "found", "fix"} for line in only_here.json)


async def test_who_holds_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("SPEECH_SERVER__METRICS_LISTEN", f"127.0.0.1:{other.getsockname()[1]}")
        async with serve() as server:
            monkeypatch.setenv("SPEECH_SERVER__LISTEN", "127.0.0.1:1")
            monkeypatch.setenv("SPEECH_SERVER__ADMIN_LISTEN", server.target)
            done = await cli("doctor", "--no-server", "--json")
    found = {str(line["check"]): line for line in done.json}
    me = f"(pid {os.getpid()})"
    assert found["port, service"]["verdict"] == "ok"
    # A server of ours, but it does not hold the service's port: another one.
    assert found["port, admin"]["verdict"] == "warn"
    assert me in str(found["port, admin"]["found"])
    assert found["port, metrics"]["verdict"] == "fail"
    assert me in str(found["port, metrics"]["found"])
    assert "serve --port N" in str(found["port, metrics"]["fix"])
    assert done.code == 1


@pytest.mark.parametrize(
    ("options", "advice", "not_advised"),
    [
        ('kind = "recognizer/absent"', "correct the configuration", "pip install"),
        ('kind = "recognizer/moonshine"\noptions = {nope = 1}', "correct the", "pip install"),
        (
            'kind = "aligner/qwen3"\noptions = {model = "/nowhere", device = "cpu"}',
            "",
            "speech-service[",
        ),
    ],
)
async def test_the_advice_fits_the_failure(
    options: str, advice: str, not_advised: str, tmp_path: Path
) -> None:
    config = tmp_path / "speech.toml"
    config.write_text(f"[[models]]\n{options}\n")
    done = await cli("doctor", "--no-server", "--json", "--load", "--config", str(config))
    (model,) = [line for line in done.json if str(line["check"]).startswith("model")]
    assert (done.code, model["verdict"]) == (1, "fail")
    assert model["fix"]
    assert advice in str(model["fix"])
    assert not_advised not in str(model["fix"])


async def test_help_says_what_is_called_by_default_and_what_exit_codes_mean() -> None:
    done = await cli("doctor", "--help")
    assert "default: SPEECH_SERVER of the environment, else" in " ".join(done.out.split())
    table = (await cli("--help")).out
    for code, meaning in EXIT_CODES.items():
        assert f"{int(code):<4} {meaning}" in table
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    for code, meaning in EXIT_CODES.items():
        assert f"| {int(code)} | {meaning} |" in page.read_text()


async def test_aligning_nothing_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(
        self: Speech, request: align_pb.AlignRequest, context: Context
    ) -> align_pb.AlignResponse:
        return align_pb.AlignResponse(duration_ms=900)

    monkeypatch.setattr(Speech, "Align", nothing)
    file = tmp_path / "talk.wav"
    file.write_bytes(streamed_wav())
    async with serve_speech() as server:
        done = await cli("align", str(file), "--text", "no", "--server", server.target)
    assert (done.code, done.out) == (1, "")
    assert "nothing of the text was found" in done.err


SRT = "1\n00:00:00,000 --> 00:00:01,000\nhi\n"


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        (SRT, ("--file", "-"), "subtitles"),
        (SRT, ("-",), "subtitles"),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n", ("-",), "subtitles"),
        ("hi", ("-", "--format", "srt"), "subtitles"),
        (SRT, ("-", "--format", "text"), "text"),
        ("1 --> 2", ("-",), "text"),
        ("see 1\n00:00:00,000", ("-",), "text"),
    ],
)
async def test_subtitles_are_known_without_an_ending(
    text: str, words: tuple[str, ...], kind: str
) -> None:
    async with serve_speech() as server:
        done = await cli(
            "translate", *words, "--to", "pt", "--server", server.target, stdin=text.encode()
        )
        (request,) = server.requests
    assert done.code == 0
    assert request.HasField("subtitles") == (kind == "subtitles")


async def test_subtitles_of_long_translated_speech(tmp_path: Path) -> None:
    async def nothing(request: Any, context: Context) -> None:
        pass

    file, made = tmp_path / "long.mp3", tmp_path / "long.pt.srt"
    file.write_bytes(bytes(17 << 20))
    async with serve_speech(nothing) as server:
        target = ("--server", server.target)
        named = await cli("translate", "--audio", str(file), "--to", "pt", "-o", str(made), *target)
        aligned = await cli("align", str(file), "--text", "one", "--srt", *target)
    assert (named.code, named.err) == (0, "")
    assert made.exists()
    assert "many for one request" not in aligned.err
