"""``python -m benchmarks.gpu`` has one chance: what it does with its time, and with rows that fail, crash or hang."""

import json
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import torch

from benchmarks.gpu import __main__ as runner
from benchmarks.gpu import asr_rows, bench, device, plan, probe, served_rows, tts_rows
from benchmarks.gpu.device import timed_ms
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import Work, WorkClass, WorkDone, WorkEvent, WorkTiming
from speech_service.engines.runtimes.torch import Cuda
from tests.fake_cuda import FakeCuda
from tests.unit.dispatch.builders import make_work

ROOT = Path(__file__).resolve().parents[3]
FIGURE = {"kind": "figure", "figure": {"name": "a", "unit": "ms", "median": 2.0}}
SAYS = f"import sys, time, os, signal; print({json.dumps(json.dumps(FIGURE))}, flush=True); "
ENDINGS = {
    "ok": ("", "ok"),
    "an exception": ("raise KeyError(3)", "failed: the process ended with status 1"),
    "a crash": (
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "failed: the process ended with status -11",
    ),
    "no end": ("time.sleep(600)", "failed: given up after 2 s"),
    "a package is missing": (
        'print(\'{"kind": "problem", "problem": "needs grpc"}\'); sys.exit(3)',
        "skipped: needs grpc",
    ),
}


def run(monkeypatch: pytest.MonkeyPatch, out: Path, script: str, *more: str) -> int:
    """Measure one row by a script in its place."""
    monkeypatch.setattr(runner, "COMMAND", (sys.executable, "-c", script))
    return runner.main(["--cpu-rehearsal", "--out", str(out), "--rows", "rates", *more])


def lines(out: Path) -> list[dict[str, Any]]:
    """What is in the file."""
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize(("script", "status"), ENDINGS.values(), ids=list(ENDINGS))
def test_a_row_ends_itself_and_what_it_had_measured_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, status: str
) -> None:
    out = tmp_path / "gpu.jsonl"
    monkeypatch.setattr(runner, "LEAST_S", 0.5)
    budget = ("--budget-s", "2") if "sleep" in script else ()
    failed = run(monkeypatch, out, SAYS + "print('a library prints'); " + script, *budget)
    figure, end = lines(out)
    assert figure["figure"]["median"] == 2.0
    assert figure["part"] == end["part"] == "rates"
    assert end["status"] == status
    assert failed == int(status.startswith("failed"))


def test_it_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "gpu.jsonl"
    run(monkeypatch, out, SAYS + "sys.exit(1)")
    out.write_text(
        out.read_text() + '{"kind": "fig'
    )  # the machine went away in the middle of a line
    out.write_text(out.read_text() + "\n")
    run(monkeypatch, out, SAYS)
    before = out.read_text()
    run(monkeypatch, out, SAYS)
    assert out.read_text() == before, "measured before"
    run(monkeypatch, out, SAYS, "--quantize", "fp8")
    run(monkeypatch, out, SAYS, "--again")
    assert out.read_text().count('"status": "ok"') == 3


def test_without_time_no_row_is_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "gpu.jsonl"
    assert run(monkeypatch, out, SAYS, "--budget-s", "5") == 0
    assert [line["status"] for line in lines(out)] == ["not begun: the budget is spent"]


def test_rates_that_were_measured_are_handed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "gpu.jsonl"
    rates = {"kind": "rates", "copy_gb_s": 4300.0, "bf16_tflop_s": 790.0, "fp8_tflop_s": None}
    run(monkeypatch, out, f"print({json.dumps(json.dumps(rates))})")
    script = "import json, sys; print(json.dumps({'kind': 'info', 'got': json.loads(sys.argv[1])['rates']}))"
    run(monkeypatch, out, script, "--again")
    assert lines(out)[-2]["got"]["copy_gb_s"] == 4300.0
    assert device.known_rates(rates, "cuda").copy_gb_s == 4300.0


def test_a_row_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--cpu-rehearsal", "--rows", "rates,none"]) == 1
    assert "--rows none: no such row" in capsys.readouterr().err


def test_every_row_is_planned_and_is_there_and_the_most_worthwhile_fit_into_the_budget() -> None:
    modules = {
        "asr_rows": asr_rows,
        "tts_rows": tts_rows,
        "served_rows": served_rows,
        "probe": probe,
    }
    for place in plan.ROWS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(modules[module], function))
    assert {part.row for part in plan.PLAN} == plan.ROWS.keys()
    first = list(plan.ROWS)[:9]
    assert [part.row for part in plan.PLAN][:9] == first
    assert sum(part.limit_s for part in plan.PLAN[:9]) <= 840
    assert [part.sizes for part in plan.parts(["tts_frame"], ["tiny"])] == [("tiny",)]


# --- what the rows measure -------------------------------------------------------------------------


class Slow:
    """An engine that ends each work in the second step after its admission."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """Of no use here."""
        return ModelCapabilities("slow", ModelKind.RECOGNIZER, ("en",), 16_000, 20_000)

    def admit(self, work: Work) -> None:
        """Take it."""
        self._left[work.work_id] = 2

    def step(self) -> Sequence[WorkEvent]:
        """One of two."""
        self._left = {work: left - 1 for work, left in self._left.items()}
        ended = [work for work, left in self._left.items() if not left]
        for work in ended:
            del self._left[work]
        return [WorkDone(work, Hypothesis("", (), ""), WorkTiming()) for work in ended]

    def abort(self, work_id: str) -> None:
        """Forget it."""
        self._left.pop(work_id, None)


def test_updates_come_one_after_the_other_and_are_timed_from_when_each_was_due() -> None:
    works = [make_work(str(number), WorkClass.UNARY) for number in range(5)]
    done_ms = asr_rows.staggered_ms(Slow(), works, 0.02)
    assert len(done_ms) == 5
    assert all(0.0 <= ms < 60_000 for ms in done_ms)


def test_an_engine_whose_memory_is_measured_is_gone_before_the_next_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alive: list[weakref.ref[Slow]] = []
    used: list[int] = []

    def count(where: str) -> int:
        used.append(sum(each() is not None for each in alive))
        return used[-1] * 10_000_000

    def build() -> Slow:
        engine = Slow()
        engine.itself = engine  # pyright: ignore[reportAttributeAccessIssue] - as parts of models are
        alive.append(weakref.ref(engine))
        return engine

    monkeypatch.setattr(bench, "used_bytes", count)
    tiny: Any = type("", (), {"device": "cpu"})
    taken = [bench.taken_mb(tiny, build, lambda engine: None) for _ in range(3)]
    assert taken == [10.0, 10.0, 10.0]
    assert used == [0, 1] * 3


def test_the_devices_time_is_taken_on_the_stream_that_the_engine_works_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeCuda().install(monkeypatch)
    recorded: list[int] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            recorded.append(torch.cuda.current_stream().cuda_stream)

        def elapsed_time(self, later: "Event") -> float:
            return 3.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    lane = Cuda(torch.device("cpu"))
    with lane.stream():
        own = torch.cuda.current_stream().cuda_stream
    _, span_ms = timed_ms("cuda", lambda: None, 2, lane.stream)
    assert span_ms == 3.0
    assert recorded == [own] * 4


LEAN = """
import importlib.abc, json, sys

ALLOWED = {"torch", "torchgen", "functorch", "safetensors", "tokenizers", "numpy", "benchmarks", "speech_service",
    "tests", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock",
    "huggingface_hub", "packaging", "setuptools", "_distutils_hack"}

class Only(importlib.abc.MetaPathFinder):
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ALLOWED or top in sys.stdlib_module_names or top.startswith("_sysconfigdata"):
            return self.finder.find_spec(name, path, target)

for name in [each for each in sys.modules if each.partition(".")[0] not in ALLOWED | sys.stdlib_module_names]:
    if name != "__main__" and not name.startswith("_"):
        del sys.modules[name]
sys.meta_path[:] = [Only(finder) for finder in sys.meta_path if hasattr(finder, 'find_spec')]
from benchmarks.gpu.row import main
job = json.loads(sys.argv[1])
status = main(job)
if not status:
    from benchmarks.gpu import asr_rows, probe
    from speech_service.engines.qwen3.asr import compose, options
    from msgspec import structs

    assert "msgspec" in sys.modules and not hasattr(sys.modules["msgspec"], "convert"), "it stands in"
    given = options.Qwen3AsrOptions("m", device="cuda", graphs=True, max_batch=64)
    assert structs.replace(given, max_batch=8).max_batch == 8
    try:
        options.Qwen3AsrOptions("m", max_batch=0)
    except ValueError as error:
        assert "max_batch" in str(error)
    else:
        sys.exit(4)
sys.exit(status)
"""


@contextmanager
def job(tmp_path: Path, row: str) -> Iterator[str]:
    """What a rehearsal would hand to its rows."""
    yield json.dumps(
        {
            "row": row,
            "sizes": ["tiny"],
            "device": "cpu",
            "rehearsal": True,
            "quick": True,
            "repeats": 1,
            "weights": str(tmp_path),
            "quantize": "none",
            "streams": 2,
            "seconds": 1.0,
            "rates": {"copy_gb_s": 1.0, "bf16_tflop_s": 1.0, "fp8_tflop_s": None},
        }
    )


def test_rows_run_with_torch_safetensors_tokenizers_and_numpy_alone(tmp_path: Path) -> None:
    with job(tmp_path, "tts_first_audio") as given:
        done = subprocess.run(
            [sys.executable, "-c", LEAN, given],
            capture_output=True,
            text=True,
            timeout=280,
            cwd=ROOT,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    names = [line["figure"]["name"] for line in found if line["kind"] == "figure"]
    assert any("text to first samples" in name for name in names)


def test_a_served_row_without_its_packages_is_skipped_by_name(tmp_path: Path) -> None:
    with job(tmp_path, "served_first_pcm") as given:
        done = subprocess.run(
            [sys.executable, "-c", LEAN, given],
            capture_output=True,
            text=True,
            timeout=280,
            cwd=ROOT,
        )
    assert done.returncode == runner.SKIPPED, done.stderr[-2000:]
    assert '"problem": "needs ' in done.stdout
