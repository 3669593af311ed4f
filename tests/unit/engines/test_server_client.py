"""Whom a client of a server trusts. How it asks is tested with the backends that ask, in tests/contract."""

import ssl
from pathlib import Path

import pytest

from speech_service.config.tree import ConfigError
from speech_service.engines.model_server.client import ServerClient, ServerRole
from speech_service.engines.model_server.options import ServerOptions, check_server


def client(url: str, ca_file: str = "") -> ServerClient:
    options = ServerOptions(base_url=url, model="m", ca_file=ca_file)
    return ServerClient(options, "", ServerRole("test server", "tester"), max_connections=1)


@pytest.mark.parametrize("url", ["http://127.0.0.1/v1", "https://127.0.0.1/v1"])
def test_a_certificate_is_always_checked(url: str) -> None:
    context = client(url).tls
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_without_tls_nobody_is_trusted() -> None:
    assert not client("http://127.0.0.1/v1").tls.get_ca_certs()


def test_a_file_of_certificates_is_read_and_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match="ca_file"):
        check_server(ServerOptions(base_url="https://x/v1", model="m", ca_file=str(file)))
    file.write_text("no certificate")
    with pytest.raises(ConfigError, match="ca_file"):
        client("https://x/v1", str(file))
