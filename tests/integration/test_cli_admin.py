"""``status`` and ``drain``: what operators, preStop hooks and units call."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from grpc import aio

from speech_client.admin import AdminClient
from speech_service.cli import run
from speech_service.cli.failure import ExitCode
from tests.integration.failures import WAIT_S
from tests.integration.harness import Talk, fake_model, raw_config, recognition_stub, running
from tests.integration.processes import FAKE_TOML, serving
from tests.integration.sound import speech


async def command(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speech_service", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
    return process.returncode or 0, out.decode(), err.decode()


async def test_status_shows_what_the_server_holds() -> None:
    async with running(models=[fake_model()]) as server:
        code, out, err = await command("status", "--server", server.admin_target)
        assert (code, err) == (0, "")
        rows = [line.split("\t") for line in out.splitlines()]
        assert [rows[0][:3], rows[1][1]] == [["server", "front end", "serving"], "recognizer"]
        assert ["voice prompt", "cache", "on"] in [row[:3] for row in rows]
        code, out, _ = await command("status", "--json", "--server", server.admin_target)
        status = json.loads(out)
        assert (code, status["draining"], status["open_streams"]) == (0, False, 0)
        assert status["address"] == server.admin_target
        assert server.admin_target in rows[0][-1]


@pytest.mark.parametrize("name", ["status", "drain"])
async def test_no_other_server_than_the_one_that_the_environment_names_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Here the configuration would lead to a server that runs, and SPEECH_SERVER names another one."""
    async with running(models=[fake_model()]) as server:
        monkeypatch.setenv("SPEECH_SERVER__ADMIN_LISTEN", server.admin_target)
        monkeypatch.setenv("SPEECH_SERVER", "localhost:50070")
        code, out, err = await command(name)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "SPEECH_SERVER names localhost:50070" in err
        assert "--server or SPEECH_ADMIN_SERVER" in err
        monkeypatch.setenv("SPEECH_ADMIN_SERVER", "localhost")
        assert (await command(name))[0] == 2
        monkeypatch.setenv("SPEECH_ADMIN_SERVER", "127.0.0.1:1")
        code, _, err = await command(name)
        assert code == 3
        assert "no server answers at 127.0.0.1:1" in err
        async with AdminClient.connect(server.admin_target) as admin:
            assert not (await admin.status()).draining
        config = tmp_path / "service.toml"  # What is said on the command line names the server.
        config.write_text("")
        code, out, _ = await command(name, f"--config={config}")
        assert (code, server.admin_target in out) == (0, True)


async def test_ports_that_were_taken_for_each_other_are_told() -> None:
    async with running(models=[fake_model()]) as server:
        for name in ("status", "drain"):
            code, _, err = await command(name, "--server", server.target)
            assert (code, err.count("\n")) == (1, 1)
            assert f"{server.target} has no admin service. Is it the port of the service?" in err
            assert "server.admin_listen" in err
        for name in ("models", "voices", "languages"):
            code, _, err = await command(name, "--server", server.admin_target)
            assert (code, err.count("\n")) == (1, 1)
            assert f"{server.admin_target} does not have what this command calls" in err
            assert "Is it the admin port" in err
            assert "server.listen" in err
        code, out, _ = await command("doctor", "--server", server.admin_target)
        assert code == 1
        assert "Is it the admin port" in out
        assert "Method not found" not in out


async def test_the_client_loads_unloads_and_clears() -> None:
    async with (
        running(models=[fake_model()]) as server,
        AdminClient.connect(server.admin_target) as admin,
    ):
        (name,) = [each.model for each in (await admin.status()).instances]
        assert (await admin.load_model(name)).state == "ready"
        assert await admin.unload_model(name)
        assert not await admin.unload_model(name)
        assert await admin.clear_caches(["voice_prompt"]) == 0


async def test_drain_waits_for_what_is_open(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=1))
    async with (
        serving(f"--config={path}", "--workers=inline") as server,
        aio.insecure_channel(server.target) as channel,
        Talk(recognition_stub(channel).StreamingRecognize(), raw_config()) as talk,
    ):
        await talk.audio(speech(500))
        await talk.until("speech_event")
        address = f"127.0.0.1:{server.admin}"
        draining = asyncio.create_task(command("drain", "--wait", "--server", address))
        await talk.until("going_away")
        assert not draining.done()
        assert (await talk.end())[-1].HasField("session_ended")
        code, out, _ = await draining
        assert (code, out) == (0, f"{address}: draining: 1 streams and 0 calls were open\n")
        assert await server.exit_code(WAIT_S) == 0


async def test_a_drain_that_takes_too_long_is_told() -> None:
    async with running(models=[fake_model()]) as server, server.talk() as talk:
        await talk.until("session_started")
        code, out, err = await command(
            *("drain", "--wait", "--timeout", "0", "--server", server.admin_target)
        )
        assert (code, out) == (3, "")
        assert f"{server.admin_target} still runs after 0 s" in err


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon", "86401"])
def test_a_wrong_number_of_seconds_is_told(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["drain", "--grace", seconds]) == ExitCode.USAGE
    assert "is no number of seconds" in capsys.readouterr().err
