"""The configuration: what there is to set. Each section is a type; a text below a key says what it is for.

``config/load.py`` reads it; ``speech-service config --reference`` prints this file as a table.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field


class ConfigError(ValueError):
    """The configuration is wrong; the message names the key, what was given and what is allowed."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the configuration, or the options of a backend: frozen, and strict about its keys."""


Count = Annotated[int, Meta(ge=0)]
"""A whole number from 0 up."""
Amount = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
"""A finite number from 0 up."""


class ServerConfig(Settings, frozen=True):
    """The gRPC front end."""

    listen: str = "127.0.0.1:50051"
    admin_listen: str = "127.0.0.1:50052"
    metrics_listen: str = "127.0.0.1:9464"
    """HTTP port of Prometheus metrics; empty: off. Like the admin port it asks nobody who they are: loopback,
    ``unix:/path`` (mode 0600), or ``allow_insecure``."""
    reflection: bool = True
    reuse_port: bool = False
    """SO_REUSEPORT, for several front ends on one port."""
    allow_insecure: bool = False
    """Permit plaintext on an address that is not loopback, for all three ports."""
    tls_cert_file: str = ""
    """PEM; with ``tls_key_file`` the public port speaks TLS 1.3. Changed files are used from the next connection on."""
    tls_key_file: str = ""
    tls_client_ca_file: str = ""
    """PEM; clients must then show a certificate that one of these has signed."""
    max_streams: Count = 512
    """Streams admitted at once; one more is RESOURCE_EXHAUSTED."""
    max_unary: Count = 64
    """Unary calls admitted at once."""
    max_connections: Count = 0
    """Connections to the public port; one more is closed at once. 0: four for each call that may be admitted, as far as
    the limit of open files allows."""
    handshake_timeout_s: Amount = 10.0
    """How long a connection may take to agree on TLS and HTTP/2."""
    connection_idle_s: Amount = 600.0
    """How long a connection may be open without a call; 0: for ever. Clients connect again with their next call."""
    max_message_bytes: Count = 16 * 1024 * 1024
    max_audio_message_bytes: Count = 1024 * 1024
    max_unary_reply_bytes: Count = 4 * 1024 * 1024
    drain_notice_s: Amount = 0.0
    """After SIGTERM: how long new calls are still accepted while health says NOT_SERVING."""
    drain_grace_s: Amount = 30.0
    """How long open streams may take to finish after that."""


class StreamConfig(Settings, frozen=True):
    """Limits of one bidirectional stream."""

    idle_timeout_s: Amount = 600.0
    config_timeout_s: Amount = 30.0
    """How long a stream may be open without its first message."""
    progress_interval_s: Amount = 20.0
    slow_reader_timeout_s: Amount = 30.0
    max_buffered_audio_ms: Count = 30_000
    """Undecoded audio above which a FILE stream is not read, and a REALTIME stream is told of its lag."""
    max_lag_s: Amount = 60.0
    """A REALTIME stream that lags more than this for that long ends with RESOURCE_EXHAUSTED."""


class ModelConfig(Settings, frozen=True):
    """One model: ``kind`` is a key of the registry (``recognizer/moonshine``), ``options`` are the backend's own."""

    kind: str
    name: str = ""
    """What requests call it; empty: the backend's own name."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


class SchedulerConfig(Settings, frozen=True):
    """The queue in front of the device."""

    max_queued: Count = 1024
    max_queued_ms: Count = 3_600_000
    """Audio waiting in the queue. Background work counts in neither limit: what sends it is held back instead."""
    starvation_ms: Count = 2_000
    """Work that waited this long gets every second place; streaming finals still go first. Background work, of which
    there may always be more, gets one place whenever none of it was begun for this long."""
    lanes: Count = 0
    """Lanes of each CPU model; 0: one per core. A model on a GPU has one."""


class WorkerConfig(Settings, frozen=True):
    """The worker process."""

    mode: Literal["process", "inline"] = "process"
    preload: bool = False
    idle_timeout_s: Amount = 120.0
    """The worker stops after this long without work; 0: it never stops."""
    start_timeout_s: Amount = 60.0
    """How long a worker may take to start, and to answer while it loads a model. As the two below in seconds of a free
    machine: what a busy one does not give the worker does not count against it."""
    heartbeat_interval_s: Amount = 5.0
    """How often the worker and its models are asked for a sign of life. A model that finishes no step in the time of
    twelve is taken for stuck, and the worker is replaced."""
    heartbeat_timeout_s: Amount = 5.0
    """How often a worker that owes an answer is looked at; without one in the time of three it is replaced."""
    max_restarts: Count = 5
    """Crashes in a row (without one finished item between) before the service reports NOT_SERVING. Starts go on, after
    pauses that grow to 30 s."""
    nice: int = 5
    """Added to the niceness of the threads that compute, so that the front end stays responsive on a shared
    machine. Not to those that load models and answer."""
    max_audio_bytes: Count = 256 * 1024 * 1024
    """Segment audio that a worker keeps for its streams; above it the oldest is dropped and asked for again."""


class VadConfig(Settings, frozen=True):
    """Voice activity detection in the front end."""

    kind: str = "silero"
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


class RecognitionConfig(Settings, frozen=True):
    """Defaults of recognition that a request may override."""

    default_model: str = ""
    partial_interval_ms: Count = 500
    vad_threshold: Amount = 0.5
    min_speech_ms: Count = 96
    end_silence_ms: Count = 600
    max_segment_ms: Count = 0
    """0: the model's own best piece length."""
    padding_ms: Count = 300
    """Audio kept before the first speech frame."""
    quiet_margin_ms: Count = 500
    """How much longer than ``end_silence_ms`` a live client may send no audio before its speech is taken as ended."""


class TranslationConfig(Settings, frozen=True):
    """Defaults and limits of translation."""

    default_model: str = ""
    """Translator of requests that name none, where it has the pair; empty: the first that has it."""
    default_identifier: str = ""
    """Language identifier; empty: the first of ``models``, and without one text is judged by its script."""
    max_text_characters: Count = 100_000
    """Text of one request or message, all texts together."""
    max_texts: Count = 1_000
    max_cues: Count = 20_000
    max_subtitle_characters: Count = 1_500_000
    """Of a subtitle file, times and all."""
    max_targets: Count = 16


class AlignmentConfig(Settings, frozen=True):
    """Defaults of alignment."""

    default_model: str = ""
    """Aligner of requests that name none, where it has the language; empty: the first that has it."""


class SynthesisConfig(Settings, frozen=True):
    """Defaults and limits of synthesis."""

    default_model: str = ""
    """Synthesizer of requests that name none; empty: the first of ``models``."""
    default_voice: str = ""
    """Voice of requests that name none, where the model has it; empty: the model's first."""
    aliases: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(
            ("alloy", "echo", "fable", "nova", "onyx", "shimmer"), ""
        )
    )
    """Other ids of voices, such as OpenAI's. An empty voice is the default one."""
    max_text_characters: Count = 100_000
    """Text of one request or context."""
    max_contexts: Count = 64
    """Contexts that a stream may have open."""
    ahead_ms: Count = 10_000
    """Audio made and not yet taken by the client above which nothing more is synthesised."""
    cache_bytes: Count = 0
    """Finished audio kept for the same request; 0: none."""
    cache_entries: Count = 10_000
    prompt_cache_bytes: Count = 64 * 1024 * 1024
    """Prepared voice prompts."""
    max_voices: Count = 256
    """Voices made by clients."""
    voices_folder: str = ""
    """Where they are kept between runs and shared by front ends; empty: in memory only."""


class DecoderConfig(Settings, frozen=True):
    """Limits of container decoding (a process of its own)."""

    max_input_bytes: Count = 64 * 1024 * 1024
    max_decoded_bytes: Count = 512 * 1024 * 1024
    max_cpu_s: Amount = 60.0
    max_memory_bytes: Count = 512 * 1024 * 1024
    max_processes: Count = 64
    """Containers decoded at once."""
    idle_timeout_s: Amount = 60.0
    strict: bool = False
    """Refuse audio of which a part is missing or damaged, instead of a warning after the results."""


class ObservabilityConfig(Settings, frozen=True):
    """Logs, metrics, traces."""

    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str = ""
    """OTLP/gRPC collector, e.g. ``http://127.0.0.1:4317``; empty: traces are off."""
    service_name: str = "speech-service"


class Config(Settings, frozen=True):
    """The whole tree."""

    server: ServerConfig = field(default_factory=ServerConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    vad: VadConfig = field(default_factory=VadConfig)
    recognition: RecognitionConfig = field(default_factory=RecognitionConfig)
    translation: TranslationConfig = field(default_factory=TranslationConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    observability: ObservabilityConfig = field(default_factory=ObservabilityConfig)
    models: tuple[ModelConfig, ...] = (
        ModelConfig(kind="recognizer/moonshine"),
        ModelConfig(kind="synthesizer/hibari"),
        ModelConfig(kind="aligner/pocketsphinx"),
        ModelConfig(kind="translator/marian"),
        ModelConfig(kind="language/fasttext"),
    )
