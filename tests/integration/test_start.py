"""Starting: TLS, refusals with one clear line, exit codes."""

import shutil
import socket
import subprocess
from pathlib import Path

import grpc
import pytest
from grpc import aio

from speech_service.config.tree import ConfigError
from tests.integration.harness import FAKE, pb, raw_config, recognition_stub, running
from tests.integration.processes import FAKE_TOML, run_serve, serving
from tests.integration.sound import speech


@pytest.fixture
def fake_toml(tmp_path: Path) -> str:
    """Give a configuration with the fake recognizer."""
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=0))
    return f"--config={path}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a self-signed certificate for localhost and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ),
            *("-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert), *subject),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def tls(certificate: tuple[Path, Path], *, client: bool = False) -> list[str]:
    cert, key = certificate
    settings = [f"server.tls_cert_file={cert}", f"server.tls_key_file={key}"]
    return settings + ([f"server.tls_client_ca_file={cert}"] if client else [])


async def recognizes(channel: aio.Channel) -> bool:
    reply = await recognition_stub(channel).Recognize(
        pb.RecognizeRequest(config=raw_config(), audio=speech(1000)), timeout=60
    )
    return bool(reply.results)


async def test_tls(certificate: tuple[Path, Path]) -> None:
    open_to_all = ("server.listen=0.0.0.0:0", "server.allow_insecure=true")
    async with running(*tls(certificate), *open_to_all) as server:
        trusted = grpc.ssl_channel_credentials(certificate[0].read_bytes())
        async with aio.secure_channel(server.target, trusted) as channel:
            assert await recognizes(channel)
        for channel in (
            aio.insecure_channel(server.target),
            aio.secure_channel(server.target, grpc.ssl_channel_credentials()),
        ):
            with pytest.raises(aio.AioRpcError) as caught:
                await recognizes(channel)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await channel.close()


async def test_mutual_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = (path.read_bytes() for path in certificate)
    async with running(*tls(certificate, client=True)) as server:
        known = grpc.ssl_channel_credentials(cert, key, cert)
        async with aio.secure_channel(server.target, known) as channel:
            assert await recognizes(channel)
        async with aio.secure_channel(server.target, grpc.ssl_channel_credentials(cert)) as channel:
            with pytest.raises(aio.AioRpcError) as caught:
                await recognizes(channel)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


REFUSED = [
    ("plaintext", ["--set=server.listen=0.0.0.0:0"], "server.allow_insecure"),
    ("open admin", ["--set=server.admin_listen=0.0.0.0:0"], "server.admin_listen"),
    ("no certificate", ["--set=server.tls_cert_file=/nowhere.pem"], "server.tls"),
    ("unknown key", ["--set=server.nothing=1"], "server.nothing"),
    ("wrong type", ["--set=server.max_streams=many"], "server.max_streams"),
    ("bad address", ["--set=server.metrics_listen=nonsense"], "server.metrics_listen"),
    ("unknown vad", ["--set=vad.kind=nothing"], "vad.kind"),
    ("unknown default", ["--set=recognition.default_model=nothing"], "nothing"),
]


@pytest.mark.parametrize(("extra", "names"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
async def test_a_wrong_configuration(fake_toml: str, extra: list[str], names: str) -> None:
    ports = ["--set=server.listen=127.0.0.1:0", "--set=server.admin_listen=127.0.0.1:0"]
    ports += ["--set=server.metrics_listen=", "--workers=inline"]
    code, out = await run_serve(fake_toml, *ports, *extra)
    assert code == 2, out
    assert "Traceback" not in out
    assert names in out
    assert len(out.strip().splitlines()) == 1, out


async def test_two_models_of_one_name() -> None:
    with pytest.raises(ConfigError, match=r"models\[1\]\.name"):
        async with running(models=[FAKE, FAKE]):
            pass


async def test_a_port_in_use(fake_toml: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for key in ("listen", "admin_listen", "metrics_listen"):
            free = [
                f"--set=server.{name}=127.0.0.1:{port if name == key else 0}"
                for name in ("listen", "admin_listen", "metrics_listen")
            ]
            code, out = await run_serve(fake_toml, "--workers=inline", *free)
            assert code == 2, out
            assert f"server.{key}" in out
            assert "Traceback" not in out


async def test_plaintext_on_all_addresses_when_somebody_says_so(fake_toml: str) -> None:
    arguments = ("--set=server.listen=0.0.0.0:0", "--set=server.allow_insecure=true")
    async with serving(fake_toml, "--workers=inline", *arguments) as server:
        async with aio.insecure_channel(server.target) as channel:
            assert await recognizes(channel)
        server.signal()
        assert await server.exit_code(100) == 0
