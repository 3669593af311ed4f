"""Which workers there are: models, GPUs and cores shared out, and what cannot be shared out refused by name."""

from collections.abc import Sequence
from typing import Any

import pytest

from speech_service.app.worker_plan import Machine, PlannedModel, WorkerPlan, plan_workers
from speech_service.config.tree import (
    Config,
    ConfigError,
    ModelConfig,
    OneWorkerConfig,
    SchedulerConfig,
)
from speech_service.domain.models import ModelCapabilities, ModelKind

pytestmark = pytest.mark.unit


def model(name: str, device: str = "cpu") -> PlannedModel:
    options: dict[str, Any] = {"word_ms": 7} if device == "cpu" else {"device": device}
    capabilities = ModelCapabilities(name, ModelKind.RECOGNIZER, ("en",), 16_000, 20_000)
    return PlannedModel(ModelConfig("recognizer/fake", name, options), capabilities, device)


EARS, MOUTH = model("ears"), model("mouth")
BIG, PINNED = model("big", "cuda"), model("pinned", "cuda:1")


def never() -> int:
    raise AssertionError("nobody needs to know")


def plan(
    models: Sequence[PlannedModel],
    *workers: OneWorkerConfig,
    gpus: int | None = None,
    visible: tuple[str, ...] | None = None,
    cores: int = 8,
    lanes: int = 0,
) -> list[WorkerPlan]:
    config = Config(
        models=tuple(each.config for each in models),
        workers=workers,
        scheduler=SchedulerConfig(lanes=lanes),
    )
    count = never if gpus is None else lambda: gpus
    plans = plan_workers(config, models, Machine(cores, count, visible))
    for each in plans:
        assert [told.name for told in each.models] == [m.name for m in each.config.models]
        assert list(each.place.model_devices) == [told.name for told in each.models]
    return plans


def served(plans: Sequence[WorkerPlan]) -> list[list[str]]:
    return [[told.name for told in each.models] for each in plans]


@pytest.mark.parametrize(
    ("models", "gpus", "devices"),
    [
        ([EARS, MOUTH], None, ("cpu",)),
        ([BIG, EARS], 0, ("cuda:0", "cpu")),
        ([BIG, EARS], 1, ("cuda:0", "cpu")),
        ([PINNED], 4, ("cuda:1",)),
        ([model("new", "tpu")], None, ("tpu",)),
    ],
)
def test_one_worker_has_all_as_it_was(
    models: list[PlannedModel], gpus: int | None, devices: tuple[str, ...]
) -> None:
    (only,) = plan(models, gpus=gpus)
    assert (only.place.name, only.place.devices, only.place.environment) == (
        "worker-0",
        devices,
        {},
    )
    assert only.config.scheduler.lanes == 0
    assert only.config.models == tuple(each.config for each in models)


def test_each_gpu_that_a_model_may_run_on_has_a_worker() -> None:
    plans = plan([BIG, EARS, PINNED], gpus=2)
    assert served(plans) == [["big", "ears"], ["big", "ears", "pinned"]]
    assert [each.place.name for each in plans] == ["worker-0", "worker-1"]
    assert [each.place.devices for each in plans] == [("cpu", "cuda:0"), ("cpu", "cuda:1")]
    environments = [each.place.environment for each in plans]
    assert [e["CUDA_VISIBLE_DEVICES"] for e in environments] == ["0", "1"]
    assert [each.config.scheduler.lanes for each in plans] == [4, 4]
    assert plans[1].place.model_devices == {"big": "cuda:1", "ears": "cpu", "pinned": "cuda:1"}
    told = [each.options.get("device") for each in plans[1].config.models]
    assert told == ["cuda:0", None, "cuda:0"], "a process counts what it sees"


def test_gpus_that_nothing_runs_on_have_none() -> None:
    pinned = [model("p0", "cuda:0"), model("p2", "cuda:2")]
    assert served(plan(pinned, gpus=4)) == [["p0"], ["p2"]]
    with pytest.raises(ConfigError, match=r"models\[2\]: no worker serves far, .* on cuda:9"):
        plan([*pinned, model("far", "cuda:9")], gpus=4)


def test_the_names_of_the_environment_are_handed_on() -> None:
    visible = ("GPU-1", "GPU-2")
    plans = plan([BIG], gpus=2, visible=visible)
    assert [each.place.environment["CUDA_VISIBLE_DEVICES"] for each in plans] == list(visible)
    worker = OneWorkerConfig(devices=("cuda:2",))
    with pytest.raises(ConfigError, match=r"cuda:2 is not there; .* 'GPU-1,GPU-2'"):
        plan([BIG], worker, visible=visible)


def test_workers_as_they_are_configured() -> None:
    plans = plan(
        [BIG, EARS, MOUTH, PINNED],
        OneWorkerConfig("gpu", ("cuda:3", "cuda:1")),
        OneWorkerConfig(devices=("cpu", "cuda"), models=("mouth", "big")),
        OneWorkerConfig("cpus", models=("ears",)),
    )
    assert [each.place.name for each in plans] == ["gpu", "worker-1", "cpus"]
    assert served(plans) == [["big", "pinned"], ["big", "mouth"], ["ears"]]
    visible = [each.place.environment["CUDA_VISIBLE_DEVICES"] for each in plans]
    assert visible == ["3,1", "0", ""]
    assert plans[0].place.model_devices == {"big": "cuda:3", "pinned": "cuda:1"}
    assert [each.options["device"] for each in plans[0].config.models] == ["cuda:0", "cuda:1"]
    assert plans[2].config.models == (EARS.config,)
    assert all(each.config.workers == () for each in plans)


@pytest.mark.parametrize(
    ("cores", "named", "expected"),
    [
        (8, (0, 0), [4, 4]),
        (7, (0, 0), [4, 3]),
        (1, (0, 0), [1, 1]),
        (8, (6, 0), [6, 2]),
        (8, (8, 0), [8, 1]),
        (8, (3, 2), [3, 2]),
        (8, (0,), [0]),
        (8, (2,), [2]),
        (3, (0, 0, 0, 0), [1, 1, 1, 1]),
    ],
)
def test_no_worker_takes_the_cores_of_another(
    cores: int, named: tuple[int, ...], expected: list[int]
) -> None:
    plans = plan([EARS], *(OneWorkerConfig(cores=n) for n in named), cores=cores)
    assert [each.config.scheduler.lanes for each in plans] == expected
    threads = [each.place.environment.get("OMP_NUM_THREADS", "0") for each in plans]
    assert threads == [str(n) for n in expected]
    plans = plan([EARS], *(OneWorkerConfig(cores=n) for n in named), cores=cores, lanes=5)
    assert {each.config.scheduler.lanes for each in plans} == {5}, "who sets it knows better"


def test_a_worker_without_models_on_the_cpu_needs_no_share() -> None:
    plans = plan([BIG, EARS], OneWorkerConfig(devices=("cuda",)), OneWorkerConfig())
    assert [each.config.scheduler.lanes for each in plans] == [0, 0]


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        (
            [OneWorkerConfig("a"), OneWorkerConfig("a")],
            r"workers\[1\].name: 'a' is the name of workers\[0\]",
        ),
        (
            [OneWorkerConfig("worker-1"), OneWorkerConfig()],
            r"workers\[1\].name: 'worker-1' is the name of workers\[0\]",
        ),
        (
            [OneWorkerConfig(devices=("cpu", "gpu0"))],
            r"workers\[0\].devices\[1\]: 'gpu0' is no device. Name cpu, or a GPU as cuda:0",
        ),
        ([OneWorkerConfig(devices=("cuda:x",))], r"workers\[0\].devices\[0\]: 'cuda:x' is no"),
        (
            [OneWorkerConfig("a", ("cuda",)), OneWorkerConfig(devices=("cpu", "cuda:0"))],
            r"workers\[1\].devices\[1\]: cuda:0 is given to a already; a GPU belongs to one",
        ),
        ([OneWorkerConfig(devices=("cpu", "cpu"))], r"devices\[1\]: cpu is given to worker-0"),
        ([OneWorkerConfig(devices=())], r"workers\[0\].devices: needs one at least"),
        (
            [OneWorkerConfig(models=("ears", "nose"))],
            r"workers\[0\].models\[1\]: no model is named 'nose'. Models: big, ears",
        ),
        ([OneWorkerConfig(models=("ears", "ears"))], r"models\[1\]: 'ears' is named twice"),
        (
            [OneWorkerConfig(models=("big",))],
            r"workers\[0\].models\[0\]: big runs on cuda, and the worker has cpu",
        ),
        (
            [OneWorkerConfig(devices=("cuda",), models=("ears",))],
            r"workers\[0\].models\[0\]: ears runs on cpu, and the worker has cuda:0",
        ),
        (
            [OneWorkerConfig()],
            r"models\[0\]: no worker serves big, which runs on cuda. The devices of the workers are cpu;",
        ),
        (
            [OneWorkerConfig(devices=("cpu", "cuda"), models=("big",))],
            r"models\[1\]: no worker serves ears, which runs on cpu",
        ),
        (
            [OneWorkerConfig(devices=("cpu", "cuda"), cores=9)],
            r"workers\[0\].cores: 9 cores in all, and the service may use 8",
        ),
        (
            [OneWorkerConfig(devices=("cpu", "cuda"), cores=5), OneWorkerConfig(cores=4)],
            r"workers\[1\].cores: 9 cores in all",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(
    workers: list[OneWorkerConfig], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan([BIG, EARS], *workers)


def test_a_worker_that_would_serve_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"workers\[1\]: it would serve nothing; no model runs"):
        plan([EARS], OneWorkerConfig(), OneWorkerConfig(devices=("cuda",)))
