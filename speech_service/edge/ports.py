"""Ports, transport limits and TLS: what the gRPC servers are made with."""

import ipaddress
from collections.abc import Callable

from grpc import aio

from speech_service.config.tree import ConfigError, ServerConfig
from speech_service.edge.certificates import Certificates
from speech_service.edge.interceptor import CallInterceptor
from speech_service.listening import unix_path, why_not
from speech_service.observability.prometheus import PrometheusObserver
from speech_service.unix_sockets import owner_only

MAX_METADATA_BYTES = 8 * 1024
UNIX = "unix:"
MIN_TRANSPORT_STREAMS = 1024
"""Streams of one connection that reach admission, however few it admits."""

MAX_ADMIN_CONNECTIONS = 16


def public_server(
    config: ServerConfig, interceptor: CallInterceptor, max_connections: int
) -> aio.Server:
    """The server that clients talk to; a connection above ``max_connections`` is closed at once."""
    options = [
        *_connection_options(config, max_connections),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA_BYTES),
        # Admission decides, with an error that says why. Over this cap, which bounds what one connection may open,
        # the transport refuses streams itself, without one.
        ("grpc.max_concurrent_streams", _transport_streams(config)),
        ("grpc.so_reuseport", int(config.reuse_port)),
        # A dead peer is noticed within 30 s, streams or not.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.enable_channelz", 1),
    ]
    return aio.server(interceptors=[interceptor], options=options)


def _transport_streams(config: ServerConfig) -> int:
    """As many may wait to be looked at before a client's reset is seen, each for 16 kB of the transport's memory."""
    return max(MIN_TRANSPORT_STREAMS, 2 * (config.max_streams + config.max_unary))


def admin_server(config: ServerConfig, interceptor: CallInterceptor) -> aio.Server:
    """The server that operators talk to: loopback, few calls."""
    options = [
        *_connection_options(config, MAX_ADMIN_CONNECTIONS),
        ("grpc.so_reuseport", 0),
    ]
    return aio.server(interceptors=[interceptor], options=options)


def _connection_options(config: ServerConfig, max_connections: int) -> list[tuple[str, int]]:
    """Nobody holds a connection, and its descriptor, without using it."""
    options = [
        ("grpc.max_allowed_incoming_connections", max_connections),
        # Until TLS and HTTP/2 are agreed on.
        ("grpc.server_handshake_timeout_ms", round(config.handshake_timeout_s * 1000)),
        # Pings are answered however often they come, and not read on while 10,000 answers wait to be sent. Closing the
        # connection, as gRPC does by default, makes an error for each ping behind the third: 1 kB, kept until all
        # that has arrived is read, and ten times the CPU time.
        ("grpc.http2.max_ping_strikes", 0),
    ]
    if config.connection_idle_s:
        options.append(("grpc.max_connection_idle_ms", round(config.connection_idle_s * 1000)))
    return options


def bind_public(
    server: aio.Server, config: ServerConfig, certificates: Certificates | None, *, asks: bool
) -> int:
    """Bind the public port, with TLS where there are ``certificates``; returns the port. ``asks``: who calls.

    Raises:
        ConfigError: the address is in use or not ours, or is open to the network, without TLS or to everybody, and
            nobody said ``allow_insecure``.
    """
    key, address = "server.listen", config.listen
    if certificates is not None:
        asks = asks or bool(config.tls_client_ca_file)
        if not asks and not config.allow_insecure and not _is_loopback(address, key):
            raise ConfigError(
                f"{key}: {address} is open to the network, and nobody is asked who calls. Set auth.accept or "
                "server.tls_client_ca_file, listen on 127.0.0.1, or say server.allow_insecure=true"
            )
        secure = certificates.credentials()
        return _bound(lambda: server.add_secure_port(address, secure), key, address)
    if not config.allow_insecure and not _is_loopback(address, key):
        raise ConfigError(
            f"{key}: {address} is open to the network without TLS. Set server.tls_cert_file and "
            "server.tls_key_file, listen on 127.0.0.1, or say server.allow_insecure=true (behind a mesh, say)"
        )
    return _bound(lambda: server.add_insecure_port(address), key, address)


def bind_admin(server: aio.Server, config: ServerConfig) -> int:
    """Bind the admin port; it has no authentication, so it must be loopback unless ``allow_insecure``.

    Raises:
        ConfigError: the address cannot be bound, or is open to the network.
    """
    key, address = "server.admin_listen", config.admin_listen
    _private(config, key, address)
    return _bound(lambda: server.add_insecure_port(address), key, address)


async def bind_metrics(observer: PrometheusObserver, config: ServerConfig) -> int:
    """Bind the port of the metrics, which like the admin port has no authentication; 0: a unix socket, or none.

    Raises:
        ConfigError: the address cannot be bound, or is open to the network.
    """
    key, address = "server.metrics_listen", config.metrics_listen
    if not address:
        return 0
    _private(config, key, address)
    try:
        if address.startswith(UNIX):
            with owner_only():
                await observer.serve_unix(unix_path(address))
            return 0
        return await observer.serve(*split_address(address, key))
    except (OSError, ValueError) as error:
        why = why_not(address) or getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{key}: cannot listen on {address}: {why}") from error


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
        with owner_only():
            port = bind()
    except RuntimeError as error:
        raise _cannot_listen(key, address) from error
    if port == 0 and not address.startswith(UNIX):
        raise _cannot_listen(key, address)
    return port


def _cannot_listen(key: str, address: str) -> ConfigError:
    why = why_not(address) or "it could not be bound, and could be just now; try again"
    return ConfigError(f"{key}: cannot listen on {address}: {why}")


def _private(config: ServerConfig, key: str, address: str) -> None:
    if not config.allow_insecure and not _is_loopback(address, key):
        raise ConfigError(
            f"{key}: {address} is open to the network, and nothing there asks who calls; use 127.0.0.1 or "
            "unix:/path, or say server.allow_insecure=true"
        )


def _is_loopback(address: str, key: str) -> bool:
    if address.startswith(UNIX):
        return True
    host, _ = split_address(address, key)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
