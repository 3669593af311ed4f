"""Ports, transport limits and TLS: what the gRPC servers are made with."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc import aio

from speech_service.config import ConfigError, ServerConfig
from speech_service.servicers.interceptor import CallInterceptor

MAX_METADATA_BYTES = 8 * 1024

IN_USE = (
    "is another server running there? A second server needs three ports of its own: `serve --port N`, "
    "or server.listen, server.admin_listen and server.metrics_listen"
)
"""Ends the error of a port that cannot be bound."""


def public_server(config: ServerConfig, interceptor: CallInterceptor) -> aio.Server:
    """The server that clients talk to."""
    options = [
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA_BYTES),
        # Admission decides, with an error that says why; over this cap gRPC queues without a word.
        ("grpc.max_concurrent_streams", 4 * (config.max_streams + config.max_unary)),
        ("grpc.so_reuseport", int(config.reuse_port)),
        # Clients may ping every 10 s, streams or not; a dead peer is noticed within 30 s.
        ("grpc.http2.min_ping_interval_without_data_ms", 9_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 9_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.enable_channelz", 1),
    ]
    return aio.server(interceptors=[interceptor], options=options)


def admin_server(interceptor: CallInterceptor) -> aio.Server:
    """The server that operators talk to: loopback, few calls."""
    return aio.server(interceptors=[interceptor], options=[("grpc.so_reuseport", 0)])


def bind_public(server: aio.Server, config: ServerConfig) -> int:
    """Bind the public port, with TLS where the configuration has certificates; returns the port.

    Raises:
        ConfigError: the address is in use or not ours, a certificate cannot be read, or the address is open to
            the network without TLS and nobody said ``allow_insecure``.
    """
    credentials = _credentials(config)
    if credentials is not None:
        return _bound(
            lambda: server.add_secure_port(config.listen, credentials),
            "server.listen",
            config.listen,
        )
    if not config.allow_insecure and not _is_loopback(config.listen):
        raise ConfigError(
            f"server.listen: {config.listen} is open to the network without TLS. Set server.tls_cert_file and "
            "server.tls_key_file, listen on 127.0.0.1, or say server.allow_insecure=true (behind a mesh, say)"
        )
    return _bound(lambda: server.add_insecure_port(config.listen), "server.listen", config.listen)


def bind_admin(server: aio.Server, config: ServerConfig) -> int:
    """Bind the admin port; it has no authentication, so it must be loopback unless ``allow_insecure``.

    Raises:
        ConfigError: the address cannot be bound, or is open to the network.
    """
    if not config.allow_insecure and not _is_loopback(config.admin_listen):
        raise ConfigError(
            f"server.admin_listen: {config.admin_listen} is open to the network; use 127.0.0.1, "
            "or say server.allow_insecure=true"
        )
    return _bound(
        lambda: server.add_insecure_port(config.admin_listen),
        "server.admin_listen",
        config.admin_listen,
    )


def split_address(address: str, key: str) -> tuple[str, int]:
    """``host:port`` as a pair.

    Raises:
        ConfigError: it is not of that form.
    """
    host, sep, port = address.rpartition(":")
    if not sep or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{key}: {address!r} is not host:port")
    return host.strip("[]"), int(port)


def _bound(bind: Callable[[], int], key: str, address: str) -> int:
    try:
        port = bind()
    except RuntimeError as error:
        raise ConfigError(f"{key}: cannot listen on {address}; {IN_USE}") from error
    if port == 0 and not address.startswith("unix:"):
        raise ConfigError(f"{key}: cannot listen on {address}; {IN_USE}")
    return port


def _is_loopback(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host, _ = split_address(address, "server.listen")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _credentials(config: ServerConfig) -> grpc.ServerCredentials | None:
    if not config.tls_cert_file and not config.tls_key_file:
        return None
    key = _read(config.tls_key_file, "server.tls_key_file")
    cert = _read(config.tls_cert_file, "server.tls_cert_file")
    client_ca = None
    if config.tls_client_ca_file:
        client_ca = _read(config.tls_client_ca_file, "server.tls_client_ca_file")
    return grpc.ssl_server_credentials(
        [(key, cert)], root_certificates=client_ca, require_client_auth=client_ca is not None
    )


def _read(path: str, key: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path!r}: {error.strerror}") from error
