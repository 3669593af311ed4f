"""Every configuration of the documents starts, once a reader has the files that it names."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.architecture.examples import examples, is_tenants_file
from tests.integration.processes import serving
from tests.integration.tenants import Authority
from tests.qwen_tiny.folder import TinyModels

EXAMPLES = examples()
CONFIGURATIONS = {name: text for name, text in EXAMPLES.items() if not is_tenants_file(text)}


def tenants_file_with(table: str) -> str:
    """The documents' first tenants file that has such a table."""
    return next(
        text for text in EXAMPLES.values() if is_tenants_file(text) and table in tomllib.loads(text)
    )


def what_it_names(text: str, folder: Path, models: TinyModels) -> str:
    """Put the files of an example where it looks for them; returns it with models that are here.

    A tiny checkpoint stands for each release, and the CPU for the GPU.
    """
    authority = Authority()
    pair = authority.issue("localhost").write(folder, "server")
    assert {file.name for file in pair} == {"server.pem", "server.key"}
    (folder / "clients-ca.pem").write_bytes(authority.certificate)
    tenants = tenants_file_with("certificates" if "mtls" in text else "keys")
    (folder / "tenants.toml").write_text(tenants, "utf-8")
    releases = {
        "Qwen/Qwen3-ASR-1.7B": models.asr_target,
        "Qwen/Qwen3-ASR-0.6B": models.asr_draft,
        "Qwen/Qwen3-TTS-12Hz-1.7B-Base": lambda: models.tts("base"),
        "Qwen/Qwen3-TTS-12Hz-1.7B-CustomVoice": lambda: models.tts("custom_voice"),
    }
    for release, write in releases.items():
        if release in text and "vllm" not in text:
            text = text.replace(release, str(write()))
    for device in ("cuda", "cuda:0"):
        text = text.replace(f'"{device}"', '"cpu"')
    return text.replace("/var/lib", str(folder))


@pytest.mark.parametrize("text", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
async def test_it_starts(text: str, tmp_path: Path, tiny_models: TinyModels) -> None:
    (tmp_path / "service.toml").write_text(what_it_names(text, tmp_path, tiny_models), "utf-8")
    async with serving("--config=service.toml", cwd=tmp_path) as server:
        async with aio.insecure_channel(f"127.0.0.1:{server.admin}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            reply = await health.Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        assert not [line for line in server.errors if "ERROR" in line]
