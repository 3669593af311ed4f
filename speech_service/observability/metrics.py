"""Every metric of the service, in one table: what is not here cannot be reported.

``docs/reference/metrics.md`` is made of it.
No label value is ever chosen by a client: a label has the values that it is declared with, or names that the
configuration or the contract gives.
"""

from dataclasses import dataclass
from enum import Enum

from speech_service.config.tree import QuotaConfig
from speech_service.domain.call import CallMode
from speech_service.domain.models import ModelState, WorkerState
from speech_service.domain.transcript import RepairKind, ResultKind
from speech_service.domain.work import DropReason, WorkClass


class MetricKind(Enum):
    """What Prometheus may do with the values."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricUnit(Enum):
    """What the values are counted in; the name of a metric with a unit ends in it."""

    NONE = ""
    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a metric. Its values are ``values`` or, where there are none, those that ``meaning`` names."""

    name: str
    meaning: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``buckets``: upper bounds of a histogram, rising. ``is_asked``: it is read when somebody looks."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[Label, ...] = ()
    unit: MetricUnit = MetricUnit.NONE
    buckets: tuple[float, ...] = ()
    is_asked: bool = False

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of its labels, in order."""
        return tuple(label.name for label in self.labels)


def _counter(
    name: str,
    help_: str,
    *labels: Label,
    unit: MetricUnit = MetricUnit.NONE,
    is_asked: bool = False,
) -> Metric:
    return Metric(name, MetricKind.COUNTER, help_, labels, unit, is_asked=is_asked)


def _gauge(
    name: str,
    help_: str,
    *labels: Label,
    unit: MetricUnit = MetricUnit.NONE,
    is_asked: bool = False,
) -> Metric:
    return Metric(name, MetricKind.GAUGE, help_, labels, unit, is_asked=is_asked)


def _seconds(name: str, help_: str, buckets: tuple[float, ...], *labels: Label) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, help_, labels, MetricUnit.SECONDS, buckets)


def _distribution(name: str, help_: str, buckets: tuple[float, ...], *labels: Label) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, help_, labels, MetricUnit.NONE, buckets)


# --- buckets ---

_LONG_S = (15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Uploads and loads of models are not over in ten seconds; a percentile of them is to have a bucket of its own."""
_LATENCY_S = (
    *(0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0),
    *(7.5, 10.0),
    *_LONG_S,
)
_HANDLING_S = (0.001, 0.005, *_LATENCY_S, 600.0, 1800.0, 3600.0, 14_400.0)
_WORK_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *_LONG_S,
)
_RTF = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 2.0, 5.0, 10.0)
_BUFFER_S = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
_SIZE = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)

# --- labels ---

_RPC_TYPE = Label(
    "grpc_type",
    "the shape of the RPC",
    ("unary", "client_stream", "server_stream", "bidi_stream"),
)
_SERVICE = Label("grpc_service", "full name of a service of the contract")
_METHOD = Label("grpc_method", "name of a method of that service")
_CODE = Label(
    "grpc_code",
    "the canonical status code",
    (
        *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
        *("ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"),
        *("FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL"),
        *("UNAVAILABLE", "DATA_LOSS"),
    ),
)
_RPC = (_RPC_TYPE, _SERVICE, _METHOD)
_MODE = Label(
    "mode",
    "how the input comes: live, as a file on a stream, whole in a unary call, or as text on a stream",
    tuple(mode.value for mode in CallMode),
)
_TENANT = Label(
    "tenant", "the first tenants that call (auth.metric_tenants), and `other` for the rest"
)
_MODEL = Label("model", "name of a model of the configuration")
_WORKER = Label("worker", "name of a worker of the configuration; `inline`: the front end itself")
_CLASS = Label("class", "the class of the work", tuple(each.name.lower() for each in WorkClass))

LOG_LINES_DROPPED = "speech_log_lines_dropped_total"

METRICS: tuple[Metric, ...] = (
    # RPCs, under the names that dashboards for gRPC servers know. Health checks, reflection and channelz are left out.
    _counter("grpc_server_started_total", "RPCs started.", *_RPC),
    _counter("grpc_server_handled_total", "RPCs ended, by code.", *_RPC, _CODE),
    _counter("grpc_server_msg_received_total", "Messages received, by RPCs that ended.", *_RPC),
    _counter("grpc_server_msg_sent_total", "Messages sent, by RPCs that ended.", *_RPC),
    _seconds("grpc_server_handling_seconds", "Length of RPCs.", _HANDLING_S, *_RPC),
    # Load, and what bounds it.
    _gauge("speech_active_streams", "Open bidirectional streams."),
    _gauge("speech_stream_limit", "Bidirectional streams that may be open (server.max_streams)."),
    _gauge(
        "speech_stream_load",
        "Share taken of what bounds streams, their number or the devices, whichever is fuller; 1: the next is refused.",
    ),
    _gauge(
        "speech_live_capacity",
        "Seconds of live audio per second that the model could keep up with by itself, as measured.",
        _MODEL,
    ),
    _gauge(
        "speech_live_demand",
        "Seconds of live audio per second that streams ask of the model.",
        _MODEL,
    ),
    _gauge("speech_active_unary", "Unary calls in flight."),
    _gauge("speech_unary_limit", "Unary calls that may be in flight (server.max_unary)."),
    _counter(
        "speech_shed_total",
        "Calls refused at admission.",
        Label(
            "reason",
            "the limit that was reached",
            ("draining", "max_streams", "max_unary", "capacity", "lag"),
        ),
    ),
    # Who calls. Tenants are those of the configuration or of tokens, never what a client says of itself.
    _counter(
        "speech_auth_refused_total",
        "Calls refused for who makes them.",
        Label("reason", "the reason of the error"),
    ),
    _counter(
        "speech_auth_file_reloads_total",
        "Files and keys of [auth] read again.",
        Label("file", "which", ("tenants_file", "jwks")),
        Label("outcome", "failed: what was read before stays in force", ("ok", "failed")),
    ),
    _counter(
        "speech_certificate_reloads_total",
        "Certificates of the public port read again, or tried to.",
        Label("outcome", "failed: the one in use stays", ("ok", "failed")),
    ),
    _gauge(
        "speech_reload_failed",
        "1 while what is in force is older than what is there, because that could not be read or used.",
        Label(
            "file", "which; certificate: the files of TLS", ("tenants_file", "jwks", "certificate")
        ),
    ),
    _counter(
        "speech_quota_exceeded_total",
        "Calls refused, and streams ended, for a quota.",
        Label("quota", "key of [auth.quotas]", tuple(QuotaConfig.__struct_fields__)),
    ),
    _counter("speech_tenant_calls_total", "RPCs ended, by tenant.", _TENANT, _CODE),
    _counter(
        "speech_tenant_audio_received_seconds_total",
        "Audio received, by tenant.",
        _TENANT,
        unit=MetricUnit.SECONDS,
    ),
    _counter(
        "speech_tenant_audio_sent_seconds_total",
        "Speech sent, by tenant.",
        _TENANT,
        unit=MetricUnit.SECONDS,
    ),
    _counter("speech_tenant_characters_total", "Characters of text received, by tenant.", _TENANT),
    _gauge(
        "speech_codec_process_limit",
        "Processes that may decode, and as many that may encode, at once (decoder.max_processes).",
    ),
    # Recognition.
    _counter("speech_audio_received_seconds_total", "Audio received.", unit=MetricUnit.SECONDS),
    _counter(
        "speech_results_total",
        "Results sent, by kind.",
        Label("kind", "the kind of result", tuple(kind.value for kind in ResultKind)),
    ),
    _seconds(
        "speech_first_result_seconds",
        "First speech heard, or text received, to the first result.",
        _LATENCY_S,
        _SERVICE,
        _MODE,
    ),
    _seconds(
        "speech_final_lag_seconds",
        'End of a segment to its FINAL; an SLO of live streams is about mode="realtime".',
        _LATENCY_S,
        _MODE,
    ),
    _counter(
        "speech_stable_prefix_broken_total",
        "FINALs that changed a prefix which partials had called stable.",
    ),
    _counter(
        "speech_recognition_repairs_total",
        "FINALs repaired: loops of a model, audio that it could not decode, words that only noise brought forth.",
        Label("kind", "what was repaired", tuple(kind.value for kind in RepairKind)),
    ),
    _distribution(
        "speech_unary_rtf", "Handling time over audio time of unary calls with audio.", _RTF
    ),
    # Synthesis.
    _counter("speech_audio_sent_seconds_total", "Speech sent, as audio.", unit=MetricUnit.SECONDS),
    _seconds("speech_first_audio_seconds", "First text to first audio.", _LATENCY_S, _RPC_TYPE),
    _distribution("speech_synthesis_rtf", "Device time over audio time of synthesis.", _RTF),
    _seconds(
        "speech_synthesis_buffer_seconds",
        "What a client that plays a stream at once has left to play when more is ready.",
        _BUFFER_S,
    ),
    _counter(
        "speech_synthesis_underruns_total",
        "Times that such a client would have fallen silent inside a context.",
    ),
    _counter(
        "speech_synthesis_cut_total",
        "Contexts, and spoken translations of a segment, whose speech was stopped at the model's limit.",
    ),
    _counter(
        "speech_audio_cache_total",
        "Look-ups in the cache of finished audio.",
        Label("outcome", "what was found", ("hit", "miss")),
    ),
    # Work, wherever it is computed.
    _gauge("speech_queue_depth", "Work waiting for a device.", _CLASS, _WORKER),
    _gauge("speech_queue_limit", "Work that may wait for each worker (scheduler.max_queued)."),
    _seconds("speech_queue_wait_seconds", "Time that a piece of work waited.", _WORK_S, _CLASS),
    _counter(
        "speech_work_total",
        "Pieces of work ended.",
        _CLASS,
        _WORKER,
        Label("outcome", "how they ended", ("done", "failed", "expired", "dropped")),
    ),
    _counter(
        "speech_work_dropped_total",
        "Work given up without an error.",
        Label("reason", "why", tuple(reason.value for reason in DropReason)),
    ),
    _seconds("speech_encode_seconds", "Encoder time of a piece of work.", _WORK_S),
    _seconds("speech_decode_seconds", "Decoder time of a piece of work.", _WORK_S),
    _counter("speech_decode_steps_total", "Forward passes of decoders."),
    _counter(
        "speech_draft_tokens_total",
        "Draft tokens that a decoder verified.",
        Label("outcome", "what came of them", ("accepted", "rejected")),
    ),
    _distribution("speech_batch_occupancy", "Sequences in a device step.", _SIZE, _MODEL),
    _seconds("speech_engine_step_seconds", "Length of a device step.", _WORK_S, _MODEL),
    # Models and workers.
    _counter(LOG_LINES_DROPPED, "Log lines that nobody took in time.", is_asked=True),
    _gauge(
        "speech_model_state",
        "1 for the state that the model is in there, 0 for the others.",
        _MODEL,
        _WORKER,
        Label("state", "a state of a model", tuple(state.value for state in ModelState)),
        is_asked=True,
    ),
    _gauge(
        "speech_worker_resident_memory_bytes",
        "Resident memory of the worker; 0 while there is no worker process.",
        _WORKER,
        unit=MetricUnit.BYTES,
        is_asked=True,
    ),
    _gauge(
        "speech_worker_device_memory_bytes",
        "Memory in use on the worker's GPUs, by whatever process; 0 while it uses none.",
        _WORKER,
        unit=MetricUnit.BYTES,
        is_asked=True,
    ),
    _gauge(
        "speech_worker_up",
        "1 while the worker runs and answers; 0 also while none is needed.",
        _WORKER,
    ),
    _gauge(
        "speech_worker_state",
        "1 for the state that the worker is in; stopped: none is needed.",
        _WORKER,
        Label("state", "a state of the worker", tuple(state.value for state in WorkerState)),
    ),
    _counter("speech_worker_restarts_total", "Restarts of the worker process.", _WORKER),
    _seconds(
        "speech_worker_start_seconds", "Start of the worker until it serves.", _LATENCY_S, _WORKER
    ),
    _seconds(
        "speech_worker_heartbeat_seconds",
        "Real work that proves the worker alive.",
        _LATENCY_S,
        _MODEL,
        _WORKER,
    ),
    _gauge("speech_outbox_depth", "Work that the worker was not given yet.", _WORKER),
    _gauge(
        "speech_build_info",
        "1, labelled with what is running.",
        Label("version", "version of the service"),
        Label("python", "version of Python"),
        Label("grpc", "version of grpcio"),
    ),
)
