"""Metrics: every name that the service reports is declared, with the same labels, and the other way round."""

import ast
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from speech_service.config.load import load_config
from speech_service.dispatch.metrics import OF_A_WORKER
from speech_service.domain.call import Call, CallMode
from speech_service.domain.events import LatencySummary, Usage
from speech_service.domain.models import ModelState, ModelStatus, WorkerState, WorkerStatus
from speech_service.domain.recognition import Pacing
from speech_service.observability import prometheus
from speech_service.observability.metrics import METRICS, Metric, MetricKind
from speech_service.observability.prometheus import PrometheusObserver

SOURCE = Path(__file__).resolve().parents[3] / "speech_service"
TABLE = {metric.name: metric for metric in METRICS}
KINDS = {
    "count": MetricKind.COUNTER,
    "observe": MetricKind.HISTOGRAM,
    "gauge": MetricKind.GAUGE,
}
# Passes on what a worker measured, under names that the worker's own code reports.
DYNAMIC = {"dispatch/workers/health.py", "dispatch/metrics.py"}
REPORTERS = {"observer", "_observer"}


@dataclass(frozen=True)
class Use:
    """One call of count, observe or gauge."""

    where: str
    method: str
    name: str
    labels: frozenset[str] | None
    """None: they are computed."""
    values: dict[str, str]
    """Of labels whose value is written down there."""


def _constants(trees: dict[str, ast.Module]) -> dict[str, str]:
    """Module constants that hold a string."""
    return {
        target.id: node.value.value
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _labels(call: ast.Call) -> frozenset[str] | None:
    names: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg is not None:
            names.add(keyword.arg)
        elif isinstance(keyword.value, ast.Dict):
            keys = [key for key in keyword.value.keys if isinstance(key, ast.Constant)]
            names |= {key.value for key in keys if isinstance(key.value, str)}
        else:
            return None
    return frozenset(names - {"value"})


def _values(call: ast.Call) -> dict[str, str]:
    return {
        keyword.arg: keyword.value.value
        for keyword in call.keywords
        if keyword.arg is not None
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }


def _reports(receiver: ast.expr, where: str) -> bool:
    """Whether the method is an observer's, not that of a list or a string."""
    if where == "observability/prometheus.py":
        return isinstance(receiver, ast.Name) and receiver.id == "self"
    match receiver:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in REPORTERS
        case _:
            return False


@pytest.fixture(scope="module")
def uses() -> list[Use]:
    """Every report of a metric in the source; read once, and not while tests are collected."""
    return list(_uses())


def _uses() -> Iterator[Use]:
    trees = {
        str(path.relative_to(SOURCE)): ast.parse(path.read_text())
        for path in sorted(SOURCE.rglob("*.py"))
    }
    constants = _constants(trees)
    for where, tree in trees.items():
        for call in ast.walk(tree):
            if not (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in KINDS
                and call.args
                and _reports(call.func.value, where)
            ):
                continue
            match call.args[0]:
                case ast.Constant(value=str() as name):
                    pass
                case ast.Name(id=name) | ast.Attribute(attr=name) if name in constants:
                    name = constants[name]
                case _:
                    assert where in DYNAMIC, f"{where}:{call.lineno}: a metric without a fixed name"
                    continue
            yield Use(f"{where}:{call.lineno}", call.func.attr, name, _labels(call), _values(call))


def test_what_is_reported_is_declared_with_its_labels(uses: list[Use]) -> None:
    assert uses
    for use in uses:
        metric = TABLE.get(use.name)
        assert metric is not None, f"{use.where}: {use.name} is not in the table"
        assert metric.kind is KINDS[use.method], use.where
        if use.labels is not None:
            added = {"worker"} if use.name in OF_A_WORKER else set[str]()
            assert use.labels | added == set(metric.label_names), use.where
        for label in metric.labels:
            if label.values and label.name in use.values:
                assert use.values[label.name] in label.values, use.where


def test_what_is_of_a_worker_is_declared_so() -> None:
    """``WorkerObserver`` adds the label to these; the others that have it are asked."""
    declared = {m.name for m in METRICS if "worker" in m.label_names and not m.is_asked}
    assert declared == OF_A_WORKER


def test_what_is_declared_is_reported(uses: list[Use]) -> None:
    reported = {use.name for use in uses}
    assert {metric.name for metric in METRICS if not metric.is_asked} == reported


def test_names_follow_the_conventions() -> None:
    assert len(TABLE) == len(METRICS), "each name once"
    for metric in METRICS:
        is_counter = metric.kind is MetricKind.COUNTER
        assert metric.name.endswith("_total") is is_counter, metric.name
        unit = f"_{metric.unit.value}" if metric.unit.value else ""
        assert metric.name.removesuffix("_total").endswith(unit)
        for word in ("seconds", "bytes"):
            assert (word in metric.name) is (metric.unit.value == word), metric.name
        assert metric.help.endswith((".", ")."))
        assert bool(metric.buckets) is (metric.kind is MetricKind.HISTOGRAM)
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert not metric.is_asked or metric.kind is not MetricKind.HISTOGRAM


def test_an_undeclared_name_is_a_bug() -> None:
    observer = PrometheusObserver()
    for report in (observer.count, observer.observe, observer.gauge):
        with pytest.raises(KeyError):
            report("speech_no_such_metric", 1.0)


def test_wrong_labels_are_a_bug() -> None:
    observer = PrometheusObserver()
    for labels in ({}, {"kind": "final", "more": "x"}, {"sort": "final"}):
        with pytest.raises(ValueError, match=r"label"):
            observer.count("speech_results_total", 1.0, **labels)
    with pytest.raises(ValueError, match=r"label"):
        observer.gauge("speech_active_streams", 1.0, kind="final")


def _page(observer: PrometheusObserver) -> str:
    return generate_latest(observer.registry).decode()


def test_values_reach_the_page() -> None:
    observer = PrometheusObserver()
    observer.count("speech_results_total", kind="final")
    observer.count("speech_results_total", 2, kind="final")
    observer.gauge("speech_active_streams", 3)
    observer.observe("speech_final_lag_seconds", 0.06, mode="realtime")
    text = _page(observer)
    assert 'speech_results_total{kind="final"} 3.0' in text
    assert "speech_active_streams 3.0" in text
    assert 'speech_final_lag_seconds_bucket{le="0.05",mode="realtime"} 0.0' in text
    assert 'speech_final_lag_seconds_bucket{le="0.08",mode="realtime"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_a_lag_of_minutes_has_a_bucket_of_its_own() -> None:
    """At 76ad801 all above 10 s was one bucket: with uploads present, p95 read 10 s."""
    observer = PrometheusObserver()
    observer.observe("speech_final_lag_seconds", 25.0, mode="file")
    observer.observe("speech_final_lag_seconds", 100.0, mode="file")
    text = _page(observer)
    assert 'speech_final_lag_seconds_bucket{le="20.0",mode="file"} 0.0' in text
    assert 'speech_final_lag_seconds_bucket{le="30.0",mode="file"} 1.0' in text
    assert 'speech_final_lag_seconds_bucket{le="120.0",mode="file"} 2.0' in text


@pytest.mark.parametrize(
    ("rpc_type", "pacing", "mode"),
    [
        ("bidi_stream", Pacing.REALTIME, CallMode.REALTIME),
        ("bidi_stream", Pacing.FILE, CallMode.FILE),
        ("bidi_stream", None, CallMode.TEXT),
        ("server_stream", None, CallMode.TEXT),
        ("unary", Pacing.FILE, CallMode.UNARY),
        ("unary", Pacing.REALTIME, CallMode.UNARY),
        ("unary", None, CallMode.UNARY),
    ],
)
def test_the_mode_of_a_call(rpc_type: str, pacing: Pacing | None, mode: CallMode) -> None:
    assert Call("s", "m", rpc_type, "r").mode(pacing) is mode


def test_a_call_is_counted_when_it_starts_and_ends() -> None:
    observer = PrometheusObserver()
    call = Call("speech.v1.RecognitionService", "Recognize", "unary", "r")
    call.received, call.sent = 1, 2
    call.finished(Usage(audio_in_ms=60_000), LatencySummary())
    observer.call_started(call)
    observer.call_ended(call, "OK")
    text = _page(observer)
    rpc = 'grpc_method="Recognize",grpc_service="speech.v1.RecognitionService",grpc_type="unary"'
    assert f"grpc_server_started_total{{{rpc}}} 1.0" in text
    assert f'grpc_server_handled_total{{grpc_code="OK",{rpc}}} 1.0' in text
    assert f"grpc_server_msg_received_total{{{rpc}}} 1.0" in text
    assert f"grpc_server_msg_sent_total{{{rpc}}} 2.0" in text
    assert f"grpc_server_handling_seconds_count{{{rpc}}} 1.0" in text
    assert 'speech_unary_rtf_bucket{le="0.01"} 1.0' in text


def _samples(observer: PrometheusObserver) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(_page(observer))
        for sample in family.samples
    }


def _is_as_declared(metric: Metric, kind: str, help_: str) -> bool:
    return (kind, help_) == (metric.kind.value, metric.help)


async def _no_models() -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
    return (), ()


async def test_the_table_and_the_page_have_the_same_metrics_in_both_formats() -> None:
    observer = PrometheusObserver()
    observer.ask(_no_models)
    text = await asyncio.to_thread(_page, observer)
    opened = (await asyncio.to_thread(generate_openmetrics, observer.registry)).decode()
    for families in (text_string_to_metric_families(text), openmetrics_families(opened)):
        found = {family.name: family for family in families}
        ours = {name for name in found if not name.startswith("process_")}
        assert ours == {name.removesuffix("_total") for name in TABLE}
        for name, metric in TABLE.items():
            family = found[name.removesuffix("_total")]
            assert _is_as_declared(metric, family.type, family.documentation), name
            if not metric.is_asked or metric.kind is MetricKind.COUNTER:
                assert bool(family.samples) is (not metric.labels), name
    for family in openmetrics_families(opened):
        if family.name in TABLE:
            assert family.unit == TABLE[family.name].unit.value


async def test_models_and_worker_are_asked_when_somebody_looks() -> None:
    observer = PrometheusObserver()
    models = [
        ModelStatus(name, s, "w")
        for name, s in (("a", ModelState.READY), ("b", ModelState.LOADING))
    ]
    workers = [WorkerStatus("w", WorkerState.READY, pid=1, rss_bytes=5_000)]

    async def report() -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        return models, workers

    observer.ask(report)
    read = await asyncio.to_thread(_samples, observer)
    ours = frozenset({("worker", "w")})
    for state in ModelState:
        for model, now in (("a", ModelState.READY), ("b", ModelState.LOADING)):
            key = "speech_model_state", frozenset({("model", model), ("state", state.value), *ours})
            assert read[key] == float(state is now)
    assert read["speech_worker_resident_memory_bytes", ours] == 5_000
    workers[0] = WorkerStatus("w", WorkerState.STOPPED)
    models[0] = ModelStatus("a", ModelState.UNLOADED, "w")
    read = await asyncio.to_thread(_samples, observer)
    assert read["speech_worker_resident_memory_bytes", ours] == 0
    assert read["speech_model_state", frozenset({("model", "a"), ("state", "ready"), *ours})] == 0
    workers[0] = WorkerStatus("w", WorkerState.STARTING, pid=7)  # it has not said how big it is
    read = await asyncio.to_thread(_samples, observer)
    assert ("speech_worker_resident_memory_bytes", ours) not in read


async def test_a_service_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prometheus, "_REPORT_TIMEOUT_S", 0.05)
    observer = PrometheusObserver()
    observer.gauge("speech_active_streams", 3)

    async def report() -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        await asyncio.Event().wait()
        return (), ()

    observer.ask(report)
    page = await asyncio.to_thread(_page, observer)
    assert "speech_active_streams 3.0" in page
    assert "speech_model_state{" not in page


def test_what_runs_and_what_bounds_it_is_told() -> None:
    observer = PrometheusObserver()
    config = load_config(overrides=["server.max_streams=7", "server.max_unary=3"], environment={})
    observer.describe(config)
    text = _page(observer)
    assert "speech_stream_limit 7.0" in text
    assert "speech_unary_limit 3.0" in text
    assert f"speech_queue_limit {config.scheduler.max_queued}.0" in text
    assert f"speech_codec_process_limit {config.decoder.max_processes}.0" in text
    (build,) = [line for line in text.splitlines() if line.startswith("speech_build_info{")]
    assert 'version="' in build
    assert build.endswith(" 1.0")


def test_the_page_tells_of_this_process_what_the_system_tells() -> None:
    read = _samples(PrometheusObserver())
    process = psutil.Process()
    none = frozenset[tuple[str, str]]()
    assert read["process_resident_memory_bytes", none] == pytest.approx(
        process.memory_info().rss, rel=0.1
    )
    assert read["process_open_fds", none] > 2
    assert read["process_max_fds", none] > 2
