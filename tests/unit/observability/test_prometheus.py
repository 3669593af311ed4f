"""Metrics: every name that the service reports is declared, with the same labels, and the other way round."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from speech_service.domain.call import Call
from speech_service.domain.events import LatencySummary, Usage
from speech_service.observability.prometheus import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    PrometheusObserver,
)

SOURCE = Path(__file__).resolve().parents[3] / "speech_service"
FAMILIES = {"count": COUNTERS, "observe": HISTOGRAMS, "gauge": GAUGES}
# Passes on what a worker measured, under names that the worker's own code reports.
DYNAMIC = {"scheduler/remote/health.py"}
REPORTERS = {"observer", "_observer"}


@dataclass(frozen=True)
class Use:
    """One call of count, observe or gauge."""

    where: str
    method: str
    name: str
    labels: frozenset[str] | None
    """None: they are computed."""


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
                and call.func.attr in FAMILIES
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
            yield Use(f"{where}:{call.lineno}", call.func.attr, name, _labels(call))


def test_what_is_reported_is_declared_with_its_labels(uses: list[Use]) -> None:
    assert uses
    for use in uses:
        declared = FAMILIES[use.method].get(use.name)
        assert declared is not None, f"{use.where}: {use.name} is not declared as {use.method}"
        if use.labels is not None:
            assert use.labels == set(declared.labels), use.where


def test_what_is_declared_is_reported(uses: list[Use]) -> None:
    reported = {use.name for use in uses}
    assert {*COUNTERS, *HISTOGRAMS, *GAUGES} == reported


def test_names_follow_the_conventions() -> None:
    assert all(name.endswith("_total") for name in COUNTERS)
    assert not any(name.endswith("_total") for name in (*HISTOGRAMS, *GAUGES))
    for declared in HISTOGRAMS.values():
        assert list(declared.buckets) == sorted(set(declared.buckets))
        assert declared.buckets


def test_an_undeclared_name_is_a_bug() -> None:
    observer = PrometheusObserver()
    for report in (observer.count, observer.observe, observer.gauge):
        with pytest.raises(KeyError):
            report("speech_no_such_metric", 1.0)


def test_values_reach_the_exposition() -> None:
    observer = PrometheusObserver()
    observer.count("speech_results_total", kind="final")
    observer.count("speech_results_total", 2, kind="final")
    observer.gauge("speech_active_streams", 3)
    observer.observe("speech_final_lag_seconds", 0.06)
    text = observer.page()
    assert 'speech_results_total{kind="final"} 3.0' in text
    assert "speech_active_streams 3.0" in text
    assert 'speech_final_lag_seconds_bucket{le="0.05"} 0.0' in text
    assert 'speech_final_lag_seconds_bucket{le="0.08"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_a_call_is_counted_when_it_starts_and_ends() -> None:
    observer = PrometheusObserver()
    call = Call("speech.v1.RecognitionService", "Recognize", "unary", "r")
    call.received, call.sent = 1, 2
    call.finished(Usage(audio_in_ms=60_000), LatencySummary())
    observer.call_started(call)
    observer.call_ended(call, "OK")
    text = observer.page()
    rpc = 'grpc_method="Recognize",grpc_service="speech.v1.RecognitionService",grpc_type="unary"'
    assert f"grpc_server_started_total{{{rpc}}} 1.0" in text
    assert f'grpc_server_handled_total{{grpc_code="OK",{rpc}}} 1.0' in text
    assert f"grpc_server_msg_received_total{{{rpc}}} 1.0" in text
    assert f"grpc_server_msg_sent_total{{{rpc}}} 2.0" in text
    assert f"grpc_server_handling_seconds_count{{{rpc}}} 1.0" in text
    assert 'speech_unary_rtf_bucket{le="0.01"} 1.0' in text


def _samples(observer: PrometheusObserver) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The page as another implementation of the format reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(observer.page())
        for sample in family.samples
    }


def test_another_parser_reads_the_same_values() -> None:
    observer = PrometheusObserver()
    strange = 'a "quoted" \\ back\nslash'
    observer.count("speech_shed_total", 3, reason=strange)
    observer.gauge("speech_queue_depth", 2.5, **{"class": "unary"})
    for value in (0.0005, 0.001, 0.3, 99.0):
        observer.observe("speech_queue_wait_seconds", value, **{"class": "unary"})
    read = _samples(observer)
    unary = ("class", "unary")
    assert read["speech_shed_total", frozenset({("reason", strange)})] == 3
    assert read["speech_queue_depth", frozenset({unary})] == 2.5
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in read.items()
        if name == "speech_queue_wait_seconds_bucket"
    }
    assert (buckets["0.001"], buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (2, 2, 3, 4)
    assert read["speech_queue_wait_seconds_count", frozenset({unary})] == 4
    assert read["speech_queue_wait_seconds_sum", frozenset({unary})] == pytest.approx(99.3015)


def test_every_declared_metric_has_its_help_and_type_on_the_page() -> None:
    families = {f.name: f for f in text_string_to_metric_families(PrometheusObserver().page())}
    for kind, declared in (("counter", COUNTERS), ("gauge", GAUGES), ("histogram", HISTOGRAMS)):
        for name, each in declared.items():
            family = families[name.removesuffix("_total")]
            assert (family.type, family.documentation) == (kind, each.help)
            assert bool(family.samples) == (not each.labels), name


def test_wrong_labels_are_a_bug() -> None:
    observer = PrometheusObserver()
    for labels in ({}, {"kind": "final", "more": "x"}, {"sort": "final"}):
        with pytest.raises(KeyError):
            observer.count("speech_results_total", 1.0, **labels)


def test_the_page_tells_of_this_process_what_the_system_tells() -> None:
    read = _samples(PrometheusObserver())
    process = psutil.Process()
    none = frozenset[tuple[str, str]]()
    assert read["process_resident_memory_bytes", none] == pytest.approx(
        process.memory_info().rss, rel=0.1
    )
    assert read["process_start_time_seconds", none] == pytest.approx(process.create_time(), abs=2)
    times = process.cpu_times()
    used_s = times.user + times.system
    assert read["process_cpu_seconds_total", none] == pytest.approx(used_s, rel=0.1, abs=0.1)
    assert read["process_open_fds", none] > 2
