"""The page of metrics, from the table that they are registered from."""

from collections.abc import Iterator

from speech_service.observability.metrics import METRICS, Label, Metric

HEAD = """\
# Metrics

<!-- Written by `make docs` from speech_service/observability/metrics.py. -->

The service serves these on `server.metrics_listen` (`127.0.0.1:9464/metrics`), in the Prometheus text format or,
where the scraper asks for it, as OpenMetrics. Beside them the page has the `process_*` metrics of the front end: CPU,
memory, start time, open files and their limit. The worker's memory is `speech_worker_resident_memory_bytes`.

No label value is chosen by a client: a label has the values listed, or names that the configuration or the contract
gives. A metric with labels has no sample before the first event of its kind; one marked "asked" is read when somebody
looks, and is absent while the service does not answer.

What to look at first:

| question | query |
| --- | --- |
| are FINALs of live streams in time (95 % within 1 s)? | `histogram_quantile(0.95, sum by (le) (rate(\
speech_final_lag_seconds_bucket{mode="realtime"}[5m]))) < 1` |
| how full is it? | `speech_stream_load` |
| what can it do, and what is asked of it? | `speech_live_capacity`, `speech_live_demand` |
| is anybody refused? | `sum by (reason) (rate(speech_shed_total[5m])) > 0` |
| does work wait for the device? | `histogram_quantile(0.95, sum by (le, class) (rate(\
speech_queue_wait_seconds_bucket[5m])))` |
| does work fail? | `rate(speech_work_total{outcome="failed"}[5m]) > 0` |
| does the worker crash? | `increase(speech_worker_restarts_total[15m]) > 0` |
| which models are not ready? | `speech_model_state{state="ready"} == 0` |
| what is installed where? | `speech_build_info` |

| metric | type | unit | labels | what it says |
| --- | --- | --- | --- | --- |
"""


def row(metric: Metric) -> str:
    """Gives a metric's line of the table."""
    kind = metric.kind.value + (", asked" if metric.is_asked else "")
    labels = ", ".join(f"`{name}`" for name in metric.label_names)
    return f"| `{metric.name}` | {kind} | {metric.unit.value} | {labels} | {metric.help} |"


def labels() -> Iterator[str]:
    """Gives a line for each label, with what it is of where metrics differ in its values."""
    users: dict[Label, list[str]] = {}
    for metric in METRICS:
        for label in metric.labels:
            users.setdefault(label, []).append(metric.name)
    names = [label.name for label in users]
    for label, metrics in users.items():
        where = f" of `{metrics[0]}`" if names.count(label.name) > 1 else ""
        values = ", ".join(f"`{value}`" for value in label.values)
        yield f"| `{label.name}`{where} | {label.meaning} | {values or 'as the meaning says'} |"


def buckets() -> Iterator[str]:
    """Gives a line for each histogram."""
    for metric in METRICS:
        if metric.buckets:
            bounds = ", ".join(f"{bound:g}" for bound in metric.buckets)
            yield f"| `{metric.name}` | {bounds} |"


def page() -> str:
    """Gives the whole page."""
    parts = [
        HEAD + "\n".join(map(row, METRICS)),
        "## Labels\n\n| label | meaning | values |\n| --- | --- | --- |\n" + "\n".join(labels()),
        "## Buckets\n\nUpper bounds; each histogram has `+Inf` as well.\n\n"
        "| histogram | bounds |\n| --- | --- |\n" + "\n".join(buckets()),
    ]
    return "\n\n".join(parts) + "\n"
