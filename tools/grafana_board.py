"""Writes deploy/grafana/speech-service.json: the board, from the table of panels below.

python tools/grafana_board.py          writes it
python tools/grafana_board.py --check  exits 1 when it is out of date
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().parent.parent / "deploy/grafana/speech-service.json"
WIDTH, HEIGHT = 8, 8
_PODS = 'instance=~"$instance"'


class Panel(NamedTuple):
    """One picture: its title, its unit as Grafana names it, and (legend, query) pairs."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def quantiles(metric: str, extra: str = "", by: str = "le") -> tuple[tuple[str, str], ...]:
    """Median and 95 %."""
    rate = f"rate({metric}_bucket{{{_PODS}{extra}}}[$__rate_interval])"
    return tuple(
        (f"p{share}", f"histogram_quantile(0.{share}, sum by ({by}) ({rate}))")
        for share in (50, 95)
    )


def rate(metric: str, by: str = "", extra: str = "") -> str:
    """A counter's rate, summed."""
    group = f" by ({by})" if by else ""
    return f"sum{group} (rate({metric}{{{_PODS}{extra}}}[$__rate_interval]))"


LIVE = ',mode="realtime"'
ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "What callers feel",
        (
            Panel("FINAL lag, live", "s", quantiles("speech_final_lag_seconds", LIVE)),
            Panel("First result, live", "s", quantiles("speech_first_result_seconds", LIVE)),
            Panel("First audio", "s", quantiles("speech_first_audio_seconds")),
            Panel(
                "Calls by code",
                "reqps",
                (("{{grpc_code}}", rate("grpc_server_handled_total", "grpc_code")),),
            ),
            Panel("Refused", "reqps", (("{{reason}}", rate("speech_shed_total", "reason")),)),
            Panel(
                "Playback: underruns and cuts",
                "cps",
                (
                    ("underruns", rate("speech_synthesis_underruns_total")),
                    ("cut", rate("speech_synthesis_cut_total")),
                ),
            ),
        ),
    ),
    (
        "Load",
        (
            Panel(
                "Streams",
                "short",
                (
                    ("open {{instance}}", f"speech_active_streams{{{_PODS}}}"),
                    ("limit {{instance}}", f"speech_stream_limit{{{_PODS}}}"),
                ),
            ),
            Panel(
                "Live audio, seconds per second",
                "short",
                (
                    ("asked of {{model}} {{instance}}", f"speech_live_demand{{{_PODS}}}"),
                    ("{{model}} can {{instance}}", f"speech_live_capacity{{{_PODS}}}"),
                ),
            ),
            Panel(
                "Audio, seconds per second",
                "short",
                (
                    ("received", rate("speech_audio_received_seconds_total")),
                    ("sent", rate("speech_audio_sent_seconds_total")),
                ),
            ),
            Panel(
                "Work waiting",
                "short",
                (("{{class}}", f"sum by (class) (speech_queue_depth{{{_PODS}}})"),),
            ),
            Panel("Queue wait", "s", quantiles("speech_queue_wait_seconds")),
            Panel("Work ended", "ops", (("{{outcome}}", rate("speech_work_total", "outcome")),)),
            Panel("Results", "ops", (("{{kind}}", rate("speech_results_total", "kind")),)),
        ),
    ),
    (
        "Models",
        (
            Panel("Device step", "s", quantiles("speech_engine_step_seconds")),
            Panel("Batch", "short", quantiles("speech_batch_occupancy")),
            Panel(
                "Draft tokens",
                "ops",
                (("{{outcome}}", rate("speech_draft_tokens_total", "outcome")),),
            ),
            Panel("RTF of synthesis", "short", quantiles("speech_synthesis_rtf")),
            Panel(
                "Repairs", "cps", (("{{kind}}", rate("speech_recognition_repairs_total", "kind")),)
            ),
            Panel(
                "Models not ready",
                "short",
                (("{{model}} in {{worker}}", f'1 - speech_model_state{{state="ready",{_PODS}}}'),),
            ),
        ),
    ),
    (
        "Processes",
        (
            Panel(
                "Worker",
                "short",
                (
                    ("up {{instance}} {{worker}}", f"speech_worker_up{{{_PODS}}}"),
                    (
                        "restarts {{instance}} {{worker}}",
                        f"increase(speech_worker_restarts_total{{{_PODS}}}[1h])",
                    ),
                ),
            ),
            Panel(
                "Memory",
                "bytes",
                (
                    ("front end {{instance}}", f"process_resident_memory_bytes{{{_PODS}}}"),
                    (
                        "{{worker}} {{instance}}",
                        f"speech_worker_resident_memory_bytes{{{_PODS}}}",
                    ),
                    (
                        "GPUs of {{worker}} {{instance}}",
                        f"speech_worker_device_memory_bytes{{{_PODS}}}",
                    ),
                ),
            ),
            Panel(
                "Work ended by worker",
                "ops",
                (("{{worker}}", rate("speech_work_total", "worker")),),
            ),
            Panel(
                "CPU of the front end",
                "short",
                (
                    (
                        "{{instance}}",
                        f"rate(process_cpu_seconds_total{{{_PODS}}}[$__rate_interval])",
                    ),
                ),
            ),
            Panel("Worker start", "s", quantiles("speech_worker_start_seconds")),
            Panel("Heartbeat", "s", quantiles("speech_worker_heartbeat_seconds")),
            Panel(
                "Keys and certificates that cannot be read again",
                "short",
                (("{{file}} {{instance}}", f"speech_reload_failed{{{_PODS}}}"),),
            ),
            Panel("Log lines dropped", "cps", (("lines", rate("speech_log_lines_dropped_total")),)),
        ),
    ),
)


def board() -> dict[str, object]:
    """The dashboard, as Grafana imports it."""
    panels: list[dict[str, object]] = []
    top = 0
    for title, row in ROWS:
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place})
        top += 1
        for at, panel in enumerate(row):
            x, y = at % 3 * WIDTH, top + at // 3 * HEIGHT
            panels.append(_panel(len(panels) + 1, panel, x, y))
        top += (len(row) + 2) // 3 * HEIGHT
    return {
        "uid": "speech-service",
        "title": "Speech service",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [_source(), _instances()]},
        "panels": panels,
    }


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, object]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    targets = [
        {"refId": chr(ord("A") + at), "datasource": source, "expr": query, "legendFormat": legend}
        for at, (legend, query) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _source() -> dict[str, object]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus"}


def _instances() -> dict[str, object]:
    return {
        "name": "instance",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": "label_values(speech_build_info, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def main() -> int:
    """Run the command; returns the exit code."""
    fresh = json.dumps(board(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        if not FILE.exists() or FILE.read_text() != fresh:
            print(f"{FILE.name} is out of date; run: make docs")
            return 1
        return 0
    FILE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
