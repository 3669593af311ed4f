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
Share = Annotated[float, Meta(gt=0, le=1)]
Times = Annotated[float, Meta(gt=0, le=2)]
"""A part of a whole, and not none of it."""
Level = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A finite number, which may be negative."""


class ServerConfig(Settings, frozen=True):
    """The gRPC front end."""

    listen: str = "127.0.0.1:50051"
    """Address of the public port: `HOST:PORT` or `unix:/path`. Port 0 takes a free one."""
    admin_listen: str = "127.0.0.1:50052"
    """Address of the admin port, for operators. It must be loopback or `unix:/path` (mode 0600) unless `allow_insecure`
    is set: it is plaintext, and asks nobody who they are unless `auth.accept` says how."""
    metrics_listen: str = "127.0.0.1:9464"
    """Address of the HTTP port that serves Prometheus metrics; empty switches it off. It asks nobody who they are, and
    the rule of `admin_listen` holds."""
    reflection: bool = True
    """Whether the public port answers gRPC reflection, so that grpcurl and `buf curl` find the services."""
    reuse_port: bool = False
    """Sets SO_REUSEPORT, so that several front ends can share one port."""
    allow_insecure: bool = False
    """Permits an address that is not loopback to be plaintext, for all three ports, and a public port that asks nobody
    who calls (no `auth.accept`, no `tls_client_ca_file`). Otherwise the start is refused."""
    tls_cert_file: str = ""
    """PEM file of the certificate. With `tls_key_file` the public port speaks TLS 1.3; a changed file is used from the
    next connection on."""
    tls_key_file: str = ""
    """PEM file of the key of `tls_cert_file`. The two go together."""
    tls_client_ca_file: str = ""
    """PEM file of authorities. When it is set, clients must show a certificate that one of them has signed."""
    max_streams: Count = 512
    """Streams admitted at once. One more is refused with RESOURCE_EXHAUSTED, reason `TOO_MANY_CALLS`."""
    admission: Literal["measured", "fixed"] = "measured"
    """What bounds live streams beside `max_streams`. `measured`: what the devices can do, as learned from what they do;
    a stream too many is refused with RESOURCE_EXHAUSTED, reason `OVER_CAPACITY` or `LIVE_RESULTS_LATE`. `fixed`:
    nothing. Streams with `PACING_FILE`, calls with `x-speech-priority: batch` and unary calls wait instead."""
    live_headroom: Times = 1.0
    """Times their measured capacity that the models of a device may be asked for by live streams. Less keeps results
    earlier; more admits more streams, whose partials come later and fewer."""
    max_live_lag_ms: Count = 3_000
    """Milliseconds. While the p95 lag of FINALs of live streams is above it no live stream is admitted, until the lag
    has fallen to 0.7 of it. 0: however late they are."""
    max_unary: Count = 64
    """Unary calls admitted at once. One more is refused like a stream too many."""
    max_connections: Count = 0
    """Connections to the public port; one more is closed at once. 0 means four for each call that may be admitted, as
    far as the limit of open files allows."""
    handshake_timeout_s: Amount = 10.0
    """Seconds that a connection may take to agree on TLS and HTTP/2; then it is closed."""
    connection_idle_s: Amount = 600.0
    """Seconds that a connection may be open without a call; then it is closed, and clients connect again with their
    next call. 0 means for ever."""
    max_message_bytes: Count = 16 * 1024 * 1024
    """Largest message of a client, in bytes, which bounds the audio of a unary call. A larger one is refused."""
    max_audio_message_bytes: Count = 1024 * 1024
    """Most bytes of audio in one message of a stream. More is INVALID_ARGUMENT, reason `LIMIT_EXCEEDED`."""
    max_unary_reply_bytes: Count = 4 * 1024 * 1024
    """Largest reply of a unary call, in bytes. A larger one is OUT_OF_RANGE and names the streaming RPC; stock clients
    accept 4 MiB."""
    drain_notice_s: Amount = 0.0
    """Seconds after SIGTERM in which new calls are still accepted while health says NOT_SERVING."""
    drain_grace_s: Amount = 30.0
    """Seconds after that in which open calls may finish. What is still open then ends with UNAVAILABLE, reason
    `DRAINING`."""


class JwtConfig(Settings, frozen=True):
    """Which JSON Web Tokens are believed."""

    jwks: str = ""
    """Where the public keys of the issuer are (a JWKS document): a file, or an `https://` address (`http://` only on
    this machine). A changed file is read again; an address is asked again every `refresh_s`, and when a token names a
    key that is not known. While it does not answer, the keys that were read stay in force."""
    issuer: str = ""
    """Issuer (`iss`) that a token must name."""
    audience: str = ""
    """Audience (`aud`) that a token must name."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    """Algorithms of signatures that are believed, all of them with a public key."""
    tenant_claim: str = "tenant"
    """Claim that holds the name of the tenant: text of 1 to 64 bytes."""
    scope_claim: str = "scope"
    """Claim that holds the scopes: words in one text, or a list."""
    leeway_s: Amount = 30.0
    """Seconds by which the clocks of issuer and server may differ."""
    refresh_s: Amount = 300.0
    """Seconds between two looks at an address of keys."""


class QuotaConfig(Settings, frozen=True):
    """What each tenant may use, unless `auth.tenants_file` says otherwise of it. 0 means no limit."""

    max_streams: Count = 0
    """Streams open at once."""
    max_unary: Count = 0
    """Unary calls at once."""
    audio_s_per_minute: Amount = 0.0
    """Seconds of audio received in a minute; what is left adds up to one minute's worth. A live stream above it ends
    with RESOURCE_EXHAUSTED, reason `QUOTA_EXCEEDED`, after the results of all that was received; a stream of
    `PACING_FILE` is read more slowly; a call above it is refused. What a call used beyond it is taken from what comes
    next."""
    characters_per_minute: Count = 0
    """Characters of text received in a minute, counted likewise."""
    max_voices: Count = 0
    """Voices made and kept; `synthesis.max_voices` bounds each tenant, too."""


class AuthConfig(Settings, frozen=True):
    """Who may call. See docs/auth.md."""

    accept: tuple[Literal["api_key", "jwt", "mtls"], ...] = ()
    """What proves who calls: a key, a token, a certificate of the client; any of those named. Empty: nobody is asked,
    which is for loopback, or with `server.allow_insecure`."""
    tenants_file: str = ""
    """TOML or JSON file of the keys (as SHA-256), the certificates and the quotas of tenants. A changed file is read
    again, also on SIGHUP; one that cannot be used leaves what was read before in force."""
    admin_scope: str = "admin"
    """Scope that calls of the admin port need; empty: whoever reaches the port may call it, as without `accept`."""
    open_reflection: bool = False
    """Whether reflection needs no credential. Health never does."""
    metric_tenants: Count = 20
    """Tenants with metrics of their own, in the order of their first calls; the others are counted together."""
    jwt: JwtConfig = field(default_factory=JwtConfig)
    quotas: QuotaConfig = field(default_factory=QuotaConfig)


class StreamConfig(Settings, frozen=True):
    """Limits of one bidirectional stream."""

    idle_timeout_s: Amount = 600.0
    """Seconds without a message of the client after which a stream ends with ABORTED, reason `IDLE_TIMEOUT`."""
    config_timeout_s: Amount = 30.0
    """Seconds that a stream may be open without its first message; then it ends with ABORTED, reason
    `CONFIG_TIMEOUT`."""
    progress_interval_s: Amount = 20.0
    """Seconds between two heartbeats (`Progress`) of a stream."""
    slow_reader_timeout_s: Amount = 30.0
    """Seconds that a reply may wait for a client that does not read; then the stream ends with ABORTED, reason
    `CLIENT_NOT_READING`."""
    max_buffered_audio_ms: Count = 30_000
    """Milliseconds of audio that may wait undecoded. Above it a FILE stream is not read until there is room, and a
    REALTIME stream is told of its lag."""
    expired_credential_s: Amount = 600.0
    """Seconds that a stream may go on after the key or token that opened it has expired or was revoked. Then what was
    received gets its results, and the stream ends with UNAUTHENTICATED."""
    resume_key_file: str = ""
    """File of a secret of 32 bytes or more that all front ends share (`openssl rand -hex 32`). With it resume tokens
    are signed, and room is kept only for sessions with a signed token of the last 24 hours; others are let in like
    new ones. Without it whoever may call may say that its session was cut off."""
    max_lag_s: Amount = 60.0
    """Seconds. A REALTIME stream that lags behind its audio by more than this, for this long, ends with
    RESOURCE_EXHAUSTED, reason `LAG_TOO_LARGE`."""


class ModelConfig(Settings, frozen=True):
    """One model: ``kind`` is a key of the registry (``recognizer/moonshine``), ``options`` are the backend's own."""

    kind: str
    """Which backend it is, as the headings below name it: `recognizer/moonshine`, for instance."""
    name: str = ""
    """What requests call it; empty takes the backend's own name."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of the backend; its own section below lists them. An unknown one is an error."""


class SchedulerConfig(Settings, frozen=True):
    """The queue in front of the device."""

    max_queued: Count = 1024
    """Pieces of work that may wait for each worker. More is refused with RESOURCE_EXHAUSTED, reason `OVERLOADED`."""
    max_queued_ms: Count = 3_600_000
    """Milliseconds of audio that may wait for each worker; more is refused likewise. Background work counts in neither
    limit: what sends it is held back instead."""
    starvation_ms: Count = 2_000
    """Milliseconds. Work that waited this long gets every second place; streaming finals still go first. Background
    work gets one place whenever none of it was begun for this long. Of models that share a GPU, one that had no step
    for so long gets every second one, also before finals."""
    lanes: Count = 0
    """Lanes of each model on the CPU; 0 means one per core of its worker. All models on a GPU share one, and take
    turns."""


class WorkerConfig(Settings, frozen=True):
    """What holds for every worker process."""

    mode: Literal["process", "inline"] = "process"
    """`process` runs models in a process of their own; `inline` runs them in the front end, for development."""
    preload: bool = False
    """Loads the models when the service starts, not with the first request."""
    idle_timeout_s: Amount = 120.0
    """Seconds without work after which the worker stops and gives its memory back; 0 means that it never stops."""
    start_timeout_s: Amount = 60.0
    """Seconds that a worker may take to start, and to answer while it loads a model; then it is replaced. Here and in
    the two keys below a second is one of a free machine: what a busy one does not give the worker does not count."""
    heartbeat_interval_s: Amount = 5.0
    """Seconds between two questions for a sign of life. A model that finishes no step in the time of twelve is taken
    for stuck, and the worker is replaced."""
    heartbeat_timeout_s: Amount = 5.0
    """Seconds between two looks at a worker that owes an answer. One that gives none in the time of three is
    replaced."""
    max_restarts: Count = 5
    """Crashes in a row, without one finished piece of work between, after which health says NOT_SERVING. Starts go on,
    after pauses that grow to 30 s."""
    nice: int = 5
    """Added to the niceness of the threads that compute, so that the front end stays responsive on a shared machine.
    Threads that load models and answer keep theirs."""
    max_audio_bytes: Count = 256 * 1024 * 1024
    """Bytes of audio that a worker keeps of open segments. Above it the oldest is dropped, and asked for again when it
    is needed."""


class OneWorkerConfig(Settings, frozen=True):
    """One of several workers: the devices that are its own, and the models that it serves on them."""

    name: str = ""
    """What logs, metrics and `speech-service status` call it; empty means `worker-` and its place, counted from 0."""
    devices: tuple[str, ...] = ("cpu",)
    """Where it computes: `cpu`, and GPUs as `cuda:0`. A GPU belongs to one worker, which sees no other. A model whose
    device is `cuda` runs on its worker's first."""
    models: tuple[str, ...] = ()
    """Names of the models that it serves; empty means all whose device it has."""
    cores: Count = 0
    """Cores for its models on the CPU; 0 means an equal share of those that no other worker has by this key."""


class VadConfig(Settings, frozen=True):
    """Voice activity detection in the front end."""

    kind: str = "silero"
    """Which detector finds speech: `silero`, or `fake` for tests."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of the detector; its own section below lists them."""


class RecognitionConfig(Settings, frozen=True):
    """Defaults of recognition that a request may override."""

    default_model: str = ""
    """Recognizer of requests that name none; empty means the first of `models`."""
    partial_interval_ms: Count = 500
    """Milliseconds of new audio between two partials of a segment. `partial_interval` of a request overrides it."""
    vad_threshold: Amount = 0.5
    """Speech probability, 0 to 1, above which a frame counts as speech. `endpointing.threshold` of a request overrides
    it."""
    min_speech_ms: Count = 96
    """Milliseconds of speech that open a segment; shorter sounds open none. `endpointing.min_speech` of a request
    overrides it."""
    end_silence_ms: Count = 600
    """Milliseconds of silence after speech that end a segment. `endpointing.end_silence` of a request overrides it."""
    max_segment_ms: Count = 0
    """Milliseconds after which a segment is cut at its quietest late point; 0, or more than the model takes, means the
    model's own limit. `endpointing.max_segment` of a request overrides it."""
    padding_ms: Count = 300
    """Milliseconds of audio kept before the first speech of a segment. `endpointing.padding` of a request overrides
    it."""
    quiet_margin_ms: Count = 500
    """Milliseconds, beyond `end_silence_ms`, that a live client may send no audio before its speech is taken as ended.
    `endpointing.quiet_margin` of a request overrides it."""


class TranslationConfig(Settings, frozen=True):
    """Defaults and limits of translation."""

    default_model: str = ""
    """Translator of requests that name none, where it has the pair; empty means the first that has it."""
    default_identifier: str = ""
    """Language identifier to use; empty means the first of `models`. Where there is none, text is judged by its
    script."""
    max_text_characters: Count = 100_000
    """Characters of one request or message, all texts together. More is INVALID_ARGUMENT, reason `LIMIT_EXCEEDED`, as
    with all limits of this section."""
    max_texts: Count = 1_000
    """Texts of one request."""
    max_cues: Count = 20_000
    """Cues of one subtitle file."""
    max_subtitle_characters: Count = 1_500_000
    """Characters of one subtitle file, times and all."""
    max_targets: Count = 16
    """Target languages of one request."""


class AlignmentConfig(Settings, frozen=True):
    """Defaults of alignment."""

    default_model: str = ""
    """Aligner of requests that name none, where it has the language; empty means the first that has it."""


class SynthesisConfig(Settings, frozen=True):
    """Defaults and limits of synthesis."""

    default_model: str = ""
    """Synthesizer of requests that name none; empty means the first of `models`."""
    default_voice: str = ""
    """Voice of requests that name none, where the model has it; empty means the model's first."""
    aliases: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(
            ("alloy", "echo", "fable", "nova", "onyx", "shimmer"), ""
        )
    )
    """Other ids of voices, such as OpenAI's, each with the voice that it means; an empty voice is the default one."""
    max_text_characters: Count = 100_000
    """Characters of one request or context. More is INVALID_ARGUMENT, reason `LIMIT_EXCEEDED`."""
    max_contexts: Count = 64
    """Contexts that a stream may have open. One more is refused likewise."""
    ahead_ms: Count = 10_000
    """Milliseconds of audio that may be made before the client has taken it. Above it nothing more is synthesized until
    there is room."""
    cache_bytes: Count = 0
    """Bytes of finished audio kept to answer the same request again; the oldest goes first. 0 keeps none."""
    cache_entries: Count = 10_000
    """Most requests whose audio is kept, whatever its size."""
    prompt_cache_bytes: Count = 64 * 1024 * 1024
    """Bytes of prepared voice prompts kept; the oldest goes first."""
    max_voices: Count = 256
    """Voices made by clients, of each tenant. One more is refused with RESOURCE_EXHAUSTED, reason `TOO_MANY_VOICES`."""
    voices_folder: str = ""
    """Folder in which voices made by clients are kept between runs, and shared by front ends; empty keeps them in
    memory only."""


class DecoderConfig(Settings, frozen=True):
    """Limits of container decoding (a process of its own)."""

    max_input_bytes: Count = 64 * 1024 * 1024
    """Bytes of one container. More is INVALID_ARGUMENT, reason `AUDIO_LIMIT_EXCEEDED`, as with the next three."""
    max_decoded_bytes: Count = 512 * 1024 * 1024
    """Bytes of audio that one container may become."""
    max_cpu_s: Amount = 60.0
    """Seconds of CPU time that decoding one container may take."""
    max_memory_bytes: Count = 512 * 1024 * 1024
    """Bytes of memory that the process which decodes may take."""
    max_processes: Count = 64
    """Containers decoded at once. One more is refused with RESOURCE_EXHAUSTED, reason `TOO_MANY_DECODERS`."""
    idle_timeout_s: Amount = 60.0
    """Seconds without a container after which the process that starts decoders ends; the next container starts it
    again."""
    strict: bool = False
    """Refuses audio of which a part is missing or damaged, instead of a warning after the results."""


class ObservabilityConfig(Settings, frozen=True):
    """Logs, metrics, traces."""

    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe records that are logged. SIGHUP takes a changed one over."""
    log_format: Literal["text", "json"] = "text"
    """`text` for people, `json` for one flat object per line."""
    otlp_endpoint: str = ""
    """Address of an OTLP/gRPC collector of traces, `http://127.0.0.1:4317` for instance; empty switches traces off."""
    service_name: str = "speech-service"
    """What the service calls itself in traces."""


class Config(Settings, frozen=True):
    """The whole tree."""

    server: ServerConfig = field(default_factory=ServerConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
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
    """The models to serve, each a `[[models]]` table with the keys `kind`, `name` and `options`."""
    workers: tuple[OneWorkerConfig, ...] = ()
    """The worker processes, each a `[[workers]]` table with the keys below "Workers". None means one for each GPU
    that a model may run on, which serves the models on the CPU too, and one in all where that is one GPU or none."""
