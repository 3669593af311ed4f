"""Channels and call metadata: how the client reaches a server, and what every call carries.

Rule: only unary calls are retried by the channel, and only on UNAVAILABLE, which the server sends before it does any
work. A stream is retried in ``session.py``, and only before its first input.
"""

import json
import random
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import grpc
import grpc.aio

Priority = Literal["interactive", "default", "batch"]

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The server's own transport limit; a larger request would be refused without details."""

_RETRIED_METHODS = {
    "speech.v1.RecognitionService": ("Recognize",),
    "speech.v1.SynthesisService": ("Synthesize",),
    "speech.v1.AlignmentService": ("Align",),
    "speech.v1.TranslationService": ("TranslateText", "TranslateSpeech"),
    # Making and deleting are left out: a lost answer, tried again, would say that the voice exists, or does not.
    "speech.v1.VoiceService": ("ListVoices", "GetVoice"),
    "speech.v1.ModelService": ("ListModels", "GetModel"),
}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Transport security. All empty: TLS with the system's certificate authorities.

    Attributes:
        ca_file: PEM file of the authorities that may have signed the server's certificate.
        certificate_file: PEM chain of the client, for mutual TLS; needs ``key_file``.
        key_file: PEM key of the client.
        server_name: name to expect in the server's certificate, where it is not the target's.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a safe call is tried, and how long it waits in between (doubled each time, with jitter).

    Attributes:
        attempts: tries in all, the first included; 1 switches retries off; gRPC takes at most 5.
        initial_backoff_s: wait before the second try.
        max_backoff_s: longest wait.
    """

    attempts: int = 4
    initial_backoff_s: float = 0.2
    max_backoff_s: float = 3.0

    def backoff_s(self, attempt: int, retry_after_ms: int | None) -> float:
        """How long to wait after a try, counted from 1."""
        longest = min(self.max_backoff_s, self.initial_backoff_s * 2 ** (attempt - 1))
        return max(longest * random.uniform(0.8, 1.2), (retry_after_ms or 0) / 1000)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a call carries besides its request.

    Attributes:
        request_id: sent as ``x-request-id`` and named in errors and server logs; empty: a new one for each call.
        priority: sent as ``x-speech-priority``; it may lower, never raise, a call's class: ``"batch"`` gives way to
            all that others wait for, as ``Pacing.FILE`` streams do anyway; the other two change nothing.
        authorization: value of the ``authorization`` header, such as ``"Bearer ..."``.
        traceparent: W3C trace context, passed through.
        tracestate: W3C trace state, passed through.
        timeout_s: deadline of the whole call, in seconds; None: none. The server drops expired work unprocessed.
        metadata: further headers, lower-case names.
    """

    request_id: str = ""
    priority: Priority | None = None
    authorization: str = ""
    traceparent: str = ""
    tracestate: str = ""
    timeout_s: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    def with_request_id(self) -> "CallOptions":
        """The same options with a request id, made here if there is none."""
        return self if self.request_id else replace(self, request_id=uuid.uuid4().hex)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The call's metadata; only what is set."""
        known = (
            ("x-request-id", self.request_id),
            ("x-speech-priority", self.priority or ""),
            ("authorization", self.authorization),
            ("traceparent", self.traceparent),
            ("tracestate", self.tracestate),
        )
        return tuple((key, value) for key, value in known if value) + self.metadata


def service_config(retry: RetryPolicy) -> str:
    """The gRPC service config (JSON) that retries unary UNAVAILABLE and nothing else, and spreads calls."""
    # A name with several addresses: streams are spread over them, and go on at another when one is lost.
    spread: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry.attempts < 2:
        return json.dumps(spread)
    names = [
        {"service": service, "method": method}
        for service, methods in _RETRIED_METHODS.items()
        for method in methods
    ]
    policy = {
        "maxAttempts": retry.attempts,
        "initialBackoff": f"{retry.initial_backoff_s}s",
        "maxBackoff": f"{retry.max_backoff_s}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({**spread, "methodConfig": [{"name": names, "retryPolicy": policy}]})


def open_channel(
    target: str, tls: TlsOptions | None = None, retry: RetryPolicy | None = None
) -> grpc.aio.Channel:
    """Open a channel; it connects with the first call.

    Args:
        target: ``host:port``, or any gRPC name such as ``dns:///speech.example:443`` or ``unix:/path``.
        tls: None: plaintext.
        retry: None: the default policy.

    Raises:
        OSError: a TLS file cannot be read.
    """
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", service_config(retry or RetryPolicy())),
        ("grpc.enable_retries", 1),
        # gRPC retries only what it still holds; the default of 256 KiB would exclude nearly all audio.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 64 * 1024),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # The server tolerates pings every 10 s; proxies often allow no more than one in 30 s.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 0),
        # A subchannel shared with an earlier client would keep the back-off of its failed connection.
        ("grpc.use_local_subchannel_pool", 1),
        # A server that comes back is found soon; gRPC's own patience grows to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 3_000),
    ]
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.aio.secure_channel(target, _credentials(tls), options=options)


def _credentials(tls: TlsOptions) -> grpc.ChannelCredentials:
    def read(path: Path | None) -> bytes | None:
        return None if path is None else path.read_bytes()

    return grpc.ssl_channel_credentials(
        root_certificates=read(tls.ca_file),
        private_key=read(tls.key_file),
        certificate_chain=read(tls.certificate_file),
    )
