"""The Node.js example, run by its own tests against a live server."""

import asyncio
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from speech_service.config.tree import ModelConfig
from tests.integration.harness import FAKE, running

NODE_CLIENT = Path(__file__).resolve().parents[2] / "clients" / "node"
INSTALL_TIMEOUT_S = 90
TEST_TIMEOUT_S = 60


KINDS = ("synthesizer", "aligner", "translator", "language")


@pytest.fixture(scope="module")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages installed, so that the working tree stays as it is."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("node") / "client"
    shutil.copytree(NODE_CLIENT, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    if "EUSAGE" in installed.stderr:
        pytest.fail(f"package-lock.json does not fit package.json:\n{installed.stderr}")
    if installed.returncode:
        pytest.skip(f"npm ci failed, no package registry? {installed.stderr[-500:]}")
    return folder


async def test_node_client(node_client: Path) -> None:
    """The example, and a call of every service."""
    spec = find_spec("moonshine_voice")
    recording = {}
    if spec is not None and spec.submodule_search_locations:
        file = Path(spec.submodule_search_locations[0]) / "assets" / "beckett.wav"
        recording = {"SPEECH_WAV": str(file)}
    models = [FAKE, *(ModelConfig(kind=f"{kind}/fake") for kind in KINDS)]
    async with running(models=models) as server:
        targets = {"SPEECH_TARGET": server.target, "SPEECH_ADMIN_TARGET": server.admin_target}
        # Not subprocess.run: the server is on this event loop.
        process = await asyncio.create_subprocess_exec(
            *("node", "--test"),
            cwd=node_client,
            env={**os.environ, **targets, **recording},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), TEST_TIMEOUT_S)
    report = out.decode()
    assert process.returncode == 0, report
    assert "# fail 0" in report
    assert "# pass 11" in report or not recording, report
