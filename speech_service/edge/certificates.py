"""The certificate, key and client CA of the public port: checked at the start, read again when their files change."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from loguru import logger

from speech_service.config.tree import ConfigError, ServerConfig
from speech_service.protocols import NullObserver, Observer

if TYPE_CHECKING:
    import ssl

_CERT, _KEY, _CA = "server.tls_cert_file", "server.tls_key_file", "server.tls_client_ca_file"
_Stamp = Sequence[tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class _Files:
    """What was read, as PEM. ``client_ca`` is empty where clients need no certificate."""

    cert: bytes
    key: bytes
    client_ca: bytes


class Certificates:
    """Gives gRPC the server's certificate at each handshake: a renewed one is used from the next connection on.

    A pair that cannot be used, half of a renewal say, leaves the one before in use and is logged once.
    """

    def __init__(self, config: ServerConfig) -> None:
        """Read and check the files.

        Raises:
            ConfigError: one cannot be read, is no PEM, or does not fit the others; names its key.
        """
        self._config = config
        self._lock = threading.Lock()  # handshakes are on threads of gRPC
        self._stamp = self._look()
        self._files = self._read()
        self._given = self._files
        self._observer: Observer = NullObserver()

    def report_to(self, observer: Observer) -> None:
        """Tell it what becomes of the certificate from now on. It is told from threads of gRPC."""
        self._observer = observer
        self._show(failed=False)

    def credentials(self) -> grpc.ServerCredentials:
        """What the port is bound with."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._files),
            self._fetch,  # pyright: ignore[reportArgumentType] - the stub forgets None, "no change"
            require_client_authentication=bool(self._config.tls_client_ca_file),
        )

    def reload(self) -> None:
        """Read the files again even where they look unchanged."""
        with self._lock:
            self._stamp = self._look()
            self._take()

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """The configuration for a handshake; None: that of the last one."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._take()
            if self._files == self._given:
                return None
            self._given = self._files
            return _configuration(self._files)

    def _take(self) -> None:
        try:
            files = self._read()
        except ConfigError as error:
            logger.error("the certificate in use stays: {}", error)
            self._observer.count("speech_certificate_reloads_total", outcome="failed")
            self._show(failed=True)
            return
        self._observer.count("speech_certificate_reloads_total", outcome="ok")
        self._show(failed=False)
        if files != self._files:
            self._files = files
            logger.info("the server's certificate was renewed")

    def _show(self, *, failed: bool) -> None:
        self._observer.gauge("speech_reload_failed", float(failed), file="certificate")

    def _look(self) -> _Stamp:
        """What changes when a file does. One that is not there has none of it, which is a change, too."""
        config = self._config
        return tuple(
            _stamp(path)
            for path in (config.tls_cert_file, config.tls_key_file, config.tls_client_ca_file)
        )

    def _read(self) -> _Files:
        config = self._config
        cert, key = _bytes(config.tls_cert_file, _CERT), _bytes(config.tls_key_file, _KEY)
        client_ca = b""
        if config.tls_client_ca_file:
            client_ca = _bytes(config.tls_client_ca_file, _CA)
        _check(config, _Files(cert, key, client_ca))
        return _Files(cert, key, client_ca)


def certificates(config: ServerConfig) -> Certificates | None:
    """Those of the configuration; None: it names none, and the port is plaintext.

    Raises:
        ConfigError: a key that others need is missing, or a file cannot be used.
    """
    given = {_CERT: config.tls_cert_file, _KEY: config.tls_key_file, _CA: config.tls_client_ca_file}
    if not any(given.values()):
        return None
    for key in (_CERT, _KEY):
        if not given[key]:
            others = " and ".join(name for name, path in given.items() if path)
            raise ConfigError(
                f"{key}: is empty, but {others} is set; TLS needs a certificate and its key"
            )
    return Certificates(config)


def _configuration(files: _Files) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(files.key, files.cert)], root_certificates=files.client_ca or None
    )


def _check(config: ServerConfig, files: _Files) -> None:
    """Raise a ConfigError where the TLS library would only say that it cannot bind."""
    import ssl  # costs memory that a front end without TLS does not need

    try:
        # Clients' certificates are no matter here: it is a place to load files into.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _first_certificate(files.cert, _CERT, config.tls_cert_file)
        if b"PRIVATE KEY-----" not in files.key:
            raise _unusable(_KEY, config.tls_key_file, "it holds no private key in PEM")
        _load_pair(context, config)
        if config.tls_client_ca_file:
            _first_certificate(files.client_ca, _CA, config.tls_client_ca_file)
            context.load_verify_locations(cadata=files.client_ca.decode("ascii", errors="replace"))
    except ssl.SSLError as error:
        raise _unusable(_CA, config.tls_client_ca_file, _reason(error)) from error


def _load_pair(context: "ssl.SSLContext", config: ServerConfig) -> None:
    import ssl

    def no_password() -> str:
        raise _unusable(_KEY, config.tls_key_file, "it is protected by a passphrase")

    try:
        context.load_cert_chain(config.tls_cert_file, config.tls_key_file, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"it is not the key of the certificate in {_CERT}"
            raise _unusable(_KEY, config.tls_key_file, problem) from error
        problem = f"it cannot be used with {_KEY}: {_reason(error)}"
        raise _unusable(_CERT, config.tls_cert_file, problem) from error


def _first_certificate(pem: bytes, key: str, path: str) -> None:
    import ssl

    start, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if start not in pem or end not in pem:
        raise _unusable(key, path, "it holds no certificate in PEM")
    text = pem[pem.index(start) : pem.index(end) + len(end)].decode("ascii", errors="replace")
    try:
        der = ssl.PEM_cert_to_DER_cert(text)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(key, path, "its certificate cannot be read") from error


def _reason(error: "ssl.SSLError") -> str:
    return (error.reason or "it cannot be read").replace("_", " ").lower()


def _unusable(key: str, path: str, problem: str) -> ConfigError:
    return ConfigError(f"{key}: {path!r}: {problem}")


def _bytes(path: str, key: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path!r}: {error.strerror}") from error


def _stamp(path: str) -> tuple[int, int, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
