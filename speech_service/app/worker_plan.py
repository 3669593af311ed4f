"""Which workers there are, and what each owns and serves: made of the configuration once, at the start."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import structs

from speech_service.config.tree import Config, ConfigError, ModelConfig, OneWorkerConfig
from speech_service.dispatch.workers.process import WorkerPlace
from speech_service.domain.models import ModelCapabilities

CPU = "cpu"
_GPU = re.compile(r"cuda(?::(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker: where it is, the configuration that it runs under, and what it serves."""

    place: WorkerPlace
    config: Config
    models: tuple[ModelCapabilities, ...]


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model of the configuration, and the device that its options name."""

    config: ModelConfig
    capabilities: ModelCapabilities
    device: str

    @property
    def name(self) -> str:
        """What requests call it."""
        return self.capabilities.name


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to share out. ``visible_gpus``: the GPUs that the environment leaves us, where it says so."""

    cores: int
    count_gpus: Callable[[], int]
    visible_gpus: tuple[str, ...] | None = None


def plan_workers(
    config: Config, models: Sequence[PlannedModel], machine: Machine
) -> list[WorkerPlan]:
    """Share models, GPUs and cores out.

    Args:
        config: of the service.
        models: those of the configuration, in order.
        machine: is asked for its GPUs only where the configuration leaves open how many workers there are.

    Raises:
        ConfigError: the workers do not fit each other, the models or the machine.
    """
    entries = config.workers or _one_for_each_gpu(models, machine)
    if not entries:  # one, which sees all that we see
        where = {model.name: _canonical(model.device) for model in models}
        devices = tuple(dict.fromkeys(where.values())) or (CPU,)
        capabilities = tuple(model.capabilities for model in models)
        return [WorkerPlan(WorkerPlace("worker-0", devices, where), config, capabilities)]
    names = _names(entries)
    devices = _devices(entries, names)
    served = [
        _served(entry, f"workers[{index}]", devices[index], models)
        for index, entry in enumerate(entries)
    ]
    _check_all_served(models, served, devices)
    cores = _cores(entries, served, machine.cores)
    return [
        _plan(config, WorkerPlace(*each[:2]), *each[2:], machine)
        for each in zip(names, devices, served, cores, strict=True)
    ]


def _one_for_each_gpu(
    models: Sequence[PlannedModel], machine: Machine
) -> tuple[OneWorkerConfig, ...]:
    """A worker for each GPU that a model may run on; none where that is one at most."""
    named = {_canonical(model.device) for model in models if _is_gpu(model.device)}
    if not named:
        return ()
    found = [f"cuda:{number}" for number in range(machine.count_gpus())]
    if any(model.device == "cuda" for model in models):
        named.update(found)
    used = [gpu for gpu in found if gpu in named]
    return tuple(OneWorkerConfig(devices=(CPU, gpu)) for gpu in used) if len(used) > 1 else ()


def _names(entries: Sequence[OneWorkerConfig]) -> list[str]:
    names = [entry.name or f"worker-{index}" for index, entry in enumerate(entries)]
    for index, name in enumerate(names):
        if name in names[:index]:
            other = names.index(name)
            raise ConfigError(f"workers[{index}].name: {name!r} is the name of workers[{other}]")
    return names


def _devices(entries: Sequence[OneWorkerConfig], names: Sequence[str]) -> list[tuple[str, ...]]:
    """The devices of each worker, as the machine counts them."""
    owners: dict[str, str] = {}
    devices: list[tuple[str, ...]] = []
    for index, (entry, name) in enumerate(zip(entries, names, strict=True)):
        own: list[str] = []
        for place, text in enumerate(entry.devices):
            key = f"workers[{index}].devices[{place}]"
            if text != CPU and not _is_gpu(text):
                raise ConfigError(f"{key}: {text!r} is no device. Name cpu, or a GPU as cuda:0")
            device = _canonical(text)
            owner = name if device in own else owners.get(device)
            if owner is not None:
                raise ConfigError(
                    f"{key}: {device} is given to {owner} already; a GPU belongs to one worker, and is named once"
                )
            own.append(device)
            if device != CPU:
                owners[device] = name
        if not own:
            raise ConfigError(f"workers[{index}].devices: needs one at least, cpu for instance")
        devices.append(tuple(own))
    return devices


def _served(
    entry: OneWorkerConfig, path: str, devices: Sequence[str], models: Sequence[PlannedModel]
) -> list[PlannedModel]:
    """The models of a worker, in the order of the configuration."""
    known = {model.name: model for model in models}
    for place, name in enumerate(entry.models):
        key = f"{path}.models[{place}]"
        if name not in known:
            raise ConfigError(f"{key}: no model is named {name!r}. Models: {', '.join(known)}")
        if name in entry.models[:place]:
            raise ConfigError(f"{key}: {name!r} is named twice")
        if not _runs_on(known[name], devices):
            raise ConfigError(
                f"{key}: {name} runs on {known[name].device}, and the worker has {', '.join(devices)}"
            )
    wanted = entry.models or known
    return [model for model in models if model.name in wanted and _runs_on(model, devices)]


def _check_all_served(
    models: Sequence[PlannedModel],
    served: Sequence[Sequence[PlannedModel]],
    devices: Sequence[Sequence[str]],
) -> None:
    for index, model in enumerate(models):
        if not any(model in of_worker for of_worker in served):
            there = ", ".join(dict.fromkeys(device for own in devices for device in own))
            raise ConfigError(
                f"models[{index}]: no worker serves {model.name}, which runs on {model.device}. The devices of the "
                f"workers are {there}; a worker serves what its `models` name, or all if it names none"
            )
    for index, of_worker in enumerate(served):
        if not of_worker:
            raise ConfigError(
                f"workers[{index}]: it would serve nothing; no model runs on {', '.join(devices[index])}"
            )


def _cores(
    entries: Sequence[OneWorkerConfig], served: Sequence[Sequence[PlannedModel]], there: int
) -> list[int]:
    """How many cores each worker has for models on the CPU; 0: all."""
    cores = [entry.cores for entry in entries]
    if sum(cores) > there:
        index = next(at for at in range(len(cores)) if sum(cores[: at + 1]) > there)
        raise ConfigError(
            f"workers[{index}].cores: {sum(cores)} cores in all, and the service may use {there}"
        )
    open_ = [
        at
        for at, models in enumerate(served)
        if not cores[at] and any(not _is_gpu(model.device) for model in models)
    ]
    left = there - sum(cores)
    if len(open_) > 1 or any(cores):
        for place, at in enumerate(open_):
            cores[at] = max(1, left // len(open_) + (place < left % len(open_)))
    return cores


def _plan(
    config: Config, place: WorkerPlace, served: Sequence[PlannedModel], cores: int, machine: Machine
) -> WorkerPlan:
    gpus = [device for device in place.devices if device != CPU]
    environment = {"CUDA_VISIBLE_DEVICES": ",".join(_visible(gpu, machine) for gpu in gpus)}
    scheduler = config.scheduler
    if cores:
        environment["OMP_NUM_THREADS"] = str(cores)  # what torch and BLAS read
        scheduler = structs.replace(scheduler, lanes=scheduler.lanes or cores)
    where = {model.name: _on(model, gpus) for model in served}
    own = structs.replace(
        config,
        models=tuple(_as_seen(model, where[model.name], gpus) for model in served),
        workers=(),
        scheduler=scheduler,
    )
    plan = WorkerPlace(place.name, place.devices, where, environment)
    return WorkerPlan(plan, own, tuple(model.capabilities for model in served))


def _as_seen(model: PlannedModel, device: str, gpus: Sequence[str]) -> ModelConfig:
    """The model as a process is told of it that sees these GPUs alone, and counts them from 0."""
    if device not in gpus:
        return model.config
    options = {**model.config.options, "device": f"cuda:{gpus.index(device)}"}
    return structs.replace(model.config, options=options)


def _visible(gpu: str, machine: Machine) -> str:
    """The GPU as ``CUDA_VISIBLE_DEVICES`` names it."""
    number = int(gpu.removeprefix("cuda:"))
    if machine.visible_gpus is None:
        return str(number)
    if number >= len(machine.visible_gpus):
        listed = ",".join(machine.visible_gpus)
        raise ConfigError(f"workers: {gpu} is not there; CUDA_VISIBLE_DEVICES leaves us {listed!r}")
    return machine.visible_gpus[number]


def _on(model: PlannedModel, gpus: Sequence[str]) -> str:
    """The device of the machine that the model runs on, in a worker with these GPUs."""
    return gpus[0] if model.device == "cuda" else model.device


def _runs_on(model: PlannedModel, devices: Sequence[str]) -> bool:
    if model.device == "cuda":
        return any(device != CPU for device in devices)
    return (model.device if _is_gpu(model.device) else CPU) in devices


def _is_gpu(device: str) -> bool:
    return _GPU.fullmatch(device) is not None


def _canonical(device: str) -> str:
    """With its number."""
    return f"{device}:0" if device == "cuda" else device
