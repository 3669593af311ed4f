"""Configuration: one frozen tree, decided once at start-up.

Sources, later ones win: defaults < TOML file < environment < command-line ``--set section.key=value``.
An environment variable ``SPEECH_SERVER__LISTEN`` sets ``server.listen`` (two underscores between levels).
Unknown keys and values of the wrong type fail before anything is loaded, and name the key.

This is the only module that reads the environment.
"""

import copy
import dataclasses
import difflib
import math
import os
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

T = TypeVar("T")

ENV_PREFIX = "SPEECH_"
ENV_CONFIG_FILE = "SPEECH_CONFIG"
ENV_SERVER = "SPEECH_SERVER"
"""Address that the client commands call where ``--server`` does not say; no setting of the service."""
_OWN_VARIABLES = (ENV_CONFIG_FILE, ENV_SERVER)
_ANY_ADDRESS = ("", "0.0.0.0", "[::]", "::", "*")  # noqa: S104 - compared with, never bound
_CLOSE = 0.93
"""How alike (0 to 1) a variable must be to a setting to be taken for it."""

LIBRARY_ENVIRONMENT: Mapping[str, str] = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
"""Switches off what libraries would tell their makers. onnxruntime reads its variable once, when it is loaded; the call
of its API that should do the same comes too late. A user who wants it sets the variable before the start."""

SERVER_ENVIRONMENT: Mapping[str, str] = {
    # A TLS 1.2 handshake finds no cipher that it may use, since this one needs a key that both share; those
    # of TLS 1.3 are not named here. Python's gRPC has no option for the version.
    "GRPC_SSL_CIPHER_SUITES": "ECDHE-PSK-AES128-CBC-SHA",
    # What goes wrong is in our own errors; the library's lines are about single connections, whoever opened them.
    "GRPC_VERBOSITY": "NONE",
}
"""What gRPC reads once, when it is imported, in a process that serves."""


class ConfigError(ValueError):
    """The configuration is wrong; the message names the key, what was given and what is allowed."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
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
    max_streams: int = 512
    """Streams admitted at once; one more is RESOURCE_EXHAUSTED."""
    max_unary: int = 64
    """Unary calls admitted at once."""
    max_connections: int = 0
    """Connections to the public port; one more is closed at once. 0: four for each call that may be admitted, as far as
    the limit of open files allows."""
    handshake_timeout_s: float = 10.0
    """How long a connection may take to agree on TLS and HTTP/2."""
    connection_idle_s: float = 600.0
    """How long a connection may be open without a call; 0: for ever. Clients connect again with their next call."""
    max_message_bytes: int = 16 * 1024 * 1024
    max_audio_message_bytes: int = 1024 * 1024
    max_unary_reply_bytes: int = 4 * 1024 * 1024
    drain_notice_s: float = 0.0
    """After SIGTERM: how long new calls are still accepted while health says NOT_SERVING."""
    drain_grace_s: float = 30.0
    """How long open streams may take to finish after that."""


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Limits of one bidirectional stream."""

    idle_timeout_s: float = 600.0
    config_timeout_s: float = 30.0
    """How long a stream may be open without its first message."""
    progress_interval_s: float = 20.0
    slow_reader_timeout_s: float = 30.0
    max_buffered_audio_ms: int = 30_000
    """Undecoded audio above which a FILE stream is not read, and a REALTIME stream is told of its lag."""
    max_lag_s: float = 60.0
    """A REALTIME stream that lags more than this for that long ends with RESOURCE_EXHAUSTED."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model: ``kind`` is a key of the registry (``recognizer/moonshine``), ``options`` are the backend's own."""

    kind: str
    name: str = ""
    """What requests call it; empty: the backend's own name."""
    options: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """The queue in front of the device."""

    max_queued: int = 1024
    max_queued_ms: int = 3_600_000
    """Audio waiting in the queue. Background work counts in neither limit: what sends it is held back instead."""
    starvation_ms: int = 2_000
    """Work that waited this long gets every second place; streaming finals still go first. Background work, of which
    there may always be more, gets one place whenever none of it was begun for this long."""
    lanes: int = 0
    """Device lanes; 0: one per CPU core for CPU models, one per GPU."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The worker process."""

    mode: Literal["process", "inline"] = "process"
    preload: bool = False
    idle_timeout_s: float = 120.0
    """The worker stops after this long without work; 0: it never stops."""
    start_timeout_s: float = 60.0
    """How long a worker may take to start, and to answer while it loads a model. As the two below in seconds of a free
    machine: what a busy one does not give the worker does not count against it."""
    heartbeat_interval_s: float = 5.0
    """How often the worker and its models are asked for a sign of life. A model that finishes no step in the time of
    twelve is taken for stuck, and the worker is replaced."""
    heartbeat_timeout_s: float = 5.0
    """How often a worker that owes an answer is looked at; without one in the time of three it is replaced."""
    max_restarts: int = 5
    """Crashes in a row (without one finished item between) before the service reports NOT_SERVING. Starts go on, after
    pauses that grow to 30 s."""
    nice: int = 5
    """Added to the niceness of the threads that compute, so that the front end stays responsive on a shared
    machine. Not to those that load models and answer."""
    max_audio_bytes: int = 256 * 1024 * 1024
    """Segment audio that a worker keeps for its streams; above it the oldest is dropped and asked for again."""


@dataclass(frozen=True, slots=True)
class VadConfig:
    """Voice activity detection in the front end."""

    kind: str = "silero"
    options: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """Defaults of recognition that a request may override."""

    default_model: str = ""
    partial_interval_ms: int = 500
    vad_threshold: float = 0.5
    min_speech_ms: int = 96
    end_silence_ms: int = 600
    max_segment_ms: int = 0
    """0: the model's own best piece length."""
    padding_ms: int = 300
    """Audio kept before the first speech frame."""
    quiet_margin_ms: int = 500
    """How much longer than ``end_silence_ms`` a live client may send no audio before its speech is taken as ended."""


@dataclass(frozen=True, slots=True)
class TranslationConfig:
    """Defaults and limits of translation."""

    default_model: str = ""
    """Translator of requests that name none, where it has the pair; empty: the first that has it."""
    default_identifier: str = ""
    """Language identifier; empty: the first of ``models``, and without one text is judged by its script."""
    max_text_characters: int = 100_000
    """Text of one request or message, all texts together."""
    max_texts: int = 1_000
    max_cues: int = 20_000
    max_subtitle_characters: int = 1_500_000
    """Of a subtitle file, times and all."""
    max_targets: int = 16


@dataclass(frozen=True, slots=True)
class AlignmentConfig:
    """Defaults of alignment."""

    default_model: str = ""
    """Aligner of requests that name none, where it has the language; empty: the first that has it."""


@dataclass(frozen=True, slots=True)
class SynthesisConfig:
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
    max_text_characters: int = 100_000
    """Text of one request or context."""
    max_contexts: int = 64
    """Contexts that a stream may have open."""
    ahead_ms: int = 10_000
    """Audio made and not yet taken by the client above which nothing more is synthesised."""
    cache_bytes: int = 0
    """Finished audio kept for the same request; 0: none."""
    cache_entries: int = 10_000
    prompt_cache_bytes: int = 64 * 1024 * 1024
    """Prepared voice prompts."""
    max_voices: int = 256
    """Voices made by clients."""
    voices_folder: str = ""
    """Where they are kept between runs and shared by front ends; empty: in memory only."""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Limits of container decoding (a process of its own)."""

    max_input_bytes: int = 64 * 1024 * 1024
    max_decoded_bytes: int = 512 * 1024 * 1024
    max_cpu_s: float = 60.0
    max_memory_bytes: int = 512 * 1024 * 1024
    max_processes: int = 64
    """Containers decoded at once."""
    idle_timeout_s: float = 60.0
    strict: bool = False
    """Refuse audio of which a part is missing or damaged, instead of a warning after the results."""


@dataclass(frozen=True, slots=True)
class ObservabilityConfig:
    """Logs, metrics, traces."""

    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str = ""
    """OTLP/gRPC collector, e.g. ``http://127.0.0.1:4317``; empty: traces are off."""
    service_name: str = "speech-service"


@dataclass(frozen=True, slots=True)
class Config:
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


def load_config(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Build the tree from a TOML file, the environment and ``section.key=value`` overrides.

    Args:
        file: TOML file; None reads the one that ``SPEECH_CONFIG`` names, if any.
        overrides: command-line settings.
        environment: what to read instead of the process environment (tests).

    Raises:
        ConfigError: a key is unknown, a value has the wrong type, or the file cannot be read.
    """
    env = dict(os.environ if environment is None else environment)
    _reject_near_misses(env)
    path = file or (Path(env[ENV_CONFIG_FILE]) if env.get(ENV_CONFIG_FILE) else None)
    from_file = _read_toml(path) if path is not None else {}
    settings = [*_environment_settings(env), *map(_override, overrides)]
    try:
        return _merged(from_file, settings)
    except ConfigError as error:
        raise _with_source(error, path, from_file, settings) from None


def client_server(environment: Mapping[str, str] | None = None) -> str:
    """The address that ``SPEECH_SERVER`` names for client commands; "" where it is not set."""
    return (os.environ if environment is None else environment).get(ENV_SERVER, "").strip()


def local_address(listen: str) -> str:
    """Where a client on this machine finds what listens on ``listen``."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in _ANY_ADDRESS else listen


def silence_grpc() -> None:
    """Keep gRPC's own C++ log lines off stderr, unless the environment asks for them. Call it before gRPC is used."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@dataclass(frozen=True, slots=True)
class _Setting:
    """One value that did not come from the file, and where it came from."""

    keys: tuple[str, ...]
    value: str
    source: str


def _environment_settings(env: Mapping[str, str]) -> list[_Setting]:
    return [
        _Setting(
            tuple(name.removeprefix(ENV_PREFIX).lower().split("__")),
            value,
            f"the environment variable {name}",
        )
        for name, value in env.items()
        if name.startswith(ENV_PREFIX) and "__" in name
    ]


def _override(item: str) -> _Setting:
    dotted, sep, value = item.partition("=")
    if not sep:
        raise ConfigError(f"--set {item}: write it as section.key=value")
    return _Setting(tuple(dotted.strip().split(".")), value, "the command line")


def _merged(from_file: Mapping[str, Any], settings: Sequence[_Setting]) -> Config:
    tree = copy.deepcopy(dict(from_file))
    for setting in settings:
        _put(tree, setting.keys, setting.value)
    return cast(Config, _decode(Config, tree, ""))


def _with_source(
    error: ConfigError,
    path: Path | None,
    from_file: Mapping[str, Any],
    settings: Sequence[_Setting],
) -> ConfigError:
    """The same error with where the wrong value comes from: the first source whose addition makes it appear."""
    for count in range(len(settings) + 1):
        try:
            _merged(from_file, settings[:count])
        except ConfigError as found:
            if str(found) == str(error):
                source = settings[count - 1].source if count else f"the file {path}"
                return ConfigError(f"{error} (from {source})")
    return error


def _reject_near_misses(env: Mapping[str, str]) -> None:
    """Refuse a variable that is a setting but for its underscores: it would be ignored without a word.

    Others are left alone: Kubernetes puts ``SPEECH_SERVICE_HOST`` and the like into every container beside a service
    called "speech".
    """
    names = [
        name
        for name in env
        if name.startswith(ENV_PREFIX) and "__" not in name and name not in _OWN_VARIABLES
    ]
    meant = _variables_by_one_underscore() if names else {}
    for name in names:
        close = difflib.get_close_matches(name.upper(), meant, 1, _CLOSE)
        if close:
            raise ConfigError(
                f"{name}: is no setting. Did you mean {meant[close[0]]}? Two underscores stand between section and key"
            )


def _variables_by_one_underscore() -> dict[str, str]:
    """``SPEECH_SERVER_LISTEN`` to ``SPEECH_SERVER__LISTEN``, for every setting."""
    return {
        f"{ENV_PREFIX}{section}_{key.name}".upper(): f"{ENV_PREFIX}{section}__{key.name}".upper()
        for section, kind in typing.get_type_hints(Config).items()
        if dataclasses.is_dataclass(kind)
        for key in dataclasses.fields(kind)
    }


def child_environment(defaults: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process: this one's, and ``defaults`` for what it does not set.

    An empty entry of ``PYTHONPATH`` means the current folder, where others may put modules: it is left out.
    """
    environment = {**defaults, **os.environ}
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    if len(paths) > 1 and "" in paths:
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def set_environment_defaults(defaults: Mapping[str, str]) -> None:
    """Set variables of this process and its children, but for those that are set: an operator's choice stays."""
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def to_mapping(config: Config) -> dict[str, Any]:
    """The tree as plain values; ``load_config`` of it gives the tree back (a worker gets it that way)."""
    return dataclasses.asdict(config)


def from_mapping(tree: Mapping[str, Any]) -> Config:
    """Inverse of :func:`to_mapping`."""
    return cast(Config, _decode(Config, tree, ""))


def decode_options(options_type: type[T], raw: Mapping[str, object], path: str) -> T:
    """Decode a backend's raw options strictly into its own frozen dataclass."""
    return cast(T, _decode(options_type, raw, path))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _put(tree: dict[str, Any], keys: Sequence[str], value: str) -> None:
    node: Any = tree
    for key in keys[:-1]:
        if isinstance(node, list) and key.isdigit() and int(key) < len(cast(list[Any], node)):
            node = cast(list[Any], node)[int(key)]
            continue
        if not isinstance(node, dict):
            raise ConfigError(f"{'.'.join(keys)}: {key} is not a section")
        node = cast(dict[str, Any], node).setdefault(key, {})
    if not isinstance(node, dict):
        raise ConfigError(f"{'.'.join(keys)}: not a section")
    node[keys[-1]] = value


def _decode(kind: Any, value: Any, path: str) -> Any:
    """Turn plain TOML or text values into ``kind``, strictly."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(cast(type[Any], kind), value, path)
    if origin is Literal:
        if value not in args:
            raise ConfigError(f"{path}: {value!r} is not one of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        return _decode_sequence(args[0], value, path)
    if origin in (dict, Mapping) or kind is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path}: expected a table, got {value!r}")
        return dict(cast(Mapping[str, Any], value))
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _decode(next(a for a in args if a is not type(None)), value, path)
    return _decode_scalar(kind, value, path)


def _decode_dataclass(kind: type[Any], value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path or 'configuration'}: expected a table, got {value!r}")
    table = cast(Mapping[str, Any], value)
    hints = typing.get_type_hints(kind)
    known = {f.name for f in dataclasses.fields(kind)}
    for key in table:
        if key not in known:
            where = f"{path}.{key}" if path else key
            raise ConfigError(f"{where}: unknown key. Known here: {', '.join(sorted(known))}")
    decoded = {
        key: _decode(hints[key], item, f"{path}.{key}" if path else key)
        for key, item in table.items()
    }
    try:
        return kind(**decoded)
    except TypeError as error:
        raise ConfigError(f"{path or 'configuration'}: {error}") from error


def _decode_sequence(item_kind: Any, value: Any, path: str) -> tuple[Any, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{path}: expected a list, got {value!r}")
    items = cast(Sequence[Any], value)
    return tuple(_decode(item_kind, item, f"{path}[{i}]") for i, item in enumerate(items))


def _decode_scalar(kind: Any, value: Any, path: str) -> Any:
    if kind is bool:
        if isinstance(value, bool):
            return value
        lowered = str(value).lower()
        if lowered in ("1", "true", "yes", "on"):
            return True
        if lowered in ("0", "false", "no", "off"):
            return False
        raise ConfigError(f"{path}: {value!r} is not true or false")
    if kind in (int, float) and not isinstance(value, bool):
        return _decode_number(kind, value, path)
    if kind is str and isinstance(value, str):
        return value
    raise ConfigError(f"{path}: {value!r} has the wrong type, expected {kind.__name__}")


def _decode_number(kind: type[int] | type[float], value: Any, path: str) -> int | float:
    try:
        number: int | float = float(value)
        if kind is int and number.is_integer():
            number = int(value) if isinstance(value, int | str) else int(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{path}: {value!r} is not a number that fits") from error
    if not math.isfinite(number) or (number < 0 and path != "worker.nice"):
        raise ConfigError(f"{path}: {value!r} is out of range, expected a finite number from 0 up")
    if kind is int and not isinstance(number, int):
        raise ConfigError(f"{path}: {value!r} is not a whole number")
    return kind(number)
