"""Which module serves which kind. Adding a backend is one module and one line here.

A model's module has a frozen ``Options``, ``describe(options)`` and ``build(options, shared)``; a VAD module
has ``Options`` and ``build(options)``. Importing one is cheap: what is heavy is imported inside ``build``.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

from speech_service.config.load import decode_options
from speech_service.config.tree import ConfigError, ModelConfig, Settings, VadConfig
from speech_service.domain.installing import install_extra
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.engines.model_files import ModelFileError
from speech_service.engines.official_qwen.package import RECIPE
from speech_service.engines.shared import SharedModels
from speech_service.engines.unlooping import UnloopingEngine
from speech_service.protocols import Engine, Vad

T = TypeVar("T")


class BackendError(ConfigError):
    """A backend lacks a package or a file, which no other value of the configuration mends.

    Attributes:
        problem: what is missing, where it is asked for.
        install: the command that brings it; empty where no package does.
    """

    def __init__(self, problem: str, install: str) -> None:
        super().__init__(f"{problem} Install it: {install}" if install else problem)
        self.problem = problem
        self.install = install


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a backend is and what installs its packages."""

    module: str
    install: str


_SERVER = install_extra("server")

_QWEN = install_extra("server,qwen")
_VLLM = install_extra("server,vllm")
_QWEN_ASR = f"pip install --no-deps qwen-asr==0.0.6 {RECIPE}"
_QWEN_TTS = f"pip install --no-deps qwen-tts==0.1.1 {RECIPE}"

_ENGINES = "speech_service.engines"

MODELS: Mapping[str, Backend] = {
    "recognizer/moonshine": Backend(f"{_ENGINES}.moonshine", _SERVER),
    "recognizer/qwen3": Backend(f"{_ENGINES}.qwen3.asr.options", _QWEN),
    "recognizer/qwen-asr": Backend(f"{_ENGINES}.official_qwen.recognizer", _QWEN_ASR),
    "recognizer/vllm": Backend(f"{_ENGINES}.vllm.recognizer", _VLLM),
    "recognizer/fake": Backend(f"{_ENGINES}.fake.recognizer", _SERVER),
    "synthesizer/hibari": Backend(f"{_ENGINES}.hibari", _SERVER),
    "synthesizer/qwen3": Backend(f"{_ENGINES}.qwen3.tts.options", _QWEN),
    "synthesizer/qwen-tts": Backend(f"{_ENGINES}.official_qwen.synthesizer", _QWEN_TTS),
    "synthesizer/vllm-omni": Backend(f"{_ENGINES}.vllm.synthesizer", _VLLM),
    "synthesizer/fake": Backend(f"{_ENGINES}.fake.synthesizer", _SERVER),
    "aligner/pocketsphinx": Backend(f"{_ENGINES}.pocketsphinx", _SERVER),
    "aligner/qwen3": Backend(f"{_ENGINES}.qwen3.aligner.options", _QWEN),
    "aligner/fake": Backend(f"{_ENGINES}.fake.aligner", _SERVER),
    "translator/marian": Backend(f"{_ENGINES}.marian.engine", _SERVER),
    "translator/openai": Backend(f"{_ENGINES}.openai", _SERVER),
    "translator/fake": Backend(f"{_ENGINES}.fake.translator", _SERVER),
    "language/fasttext": Backend(f"{_ENGINES}.fasttext.identifier", _SERVER),
    "language/fake": Backend(f"{_ENGINES}.fake.language", _SERVER),
}
VADS: Mapping[str, Backend] = {
    "silero": Backend("speech_service.engines.silero.detector", _SERVER),
    "fake": Backend("speech_service.engines.fake.vad", _SERVER),
}


class _ModelModule(Protocol):
    Options: type[Any]

    def describe(self, options: Any) -> ModelCapabilities: ...

    def build(self, options: Any, shared: SharedModels) -> Engine: ...


class _VadModule(Protocol):
    Options: type[Any]

    def build(self, options: Any) -> Vad: ...


def describe(config: ModelConfig, path: str = "models") -> ModelCapabilities:
    """What the configured model can do, without loading it.

    Args:
        config: the model; its ``name``, where given, replaces the backend's own.
        path: key of ``config`` in the configuration, for messages.

    Raises:
        ConfigError: the kind is unknown, an option is wrong or the backend cannot be imported.
    """
    backend = _find(MODELS, config.kind, path)
    module = cast(_ModelModule, _load(backend, f"{path}.kind"))
    options = decode_options(module.Options, config.options, f"{path}.options")
    capabilities = _guarded(lambda: module.describe(options), backend, f"{path}.options")
    name = config.name or capabilities.name
    voices = tuple(replace(voice, model=name) for voice in capabilities.voices)
    return replace(capabilities, name=name, voices=voices)


def device_of(config: ModelConfig, path: str = "models") -> str:
    """Where the configured model runs: its option ``device``; "cpu" for backends that know no other.

    Raises:
        ConfigError: as :func:`describe`.
    """
    backend = _find(MODELS, config.kind, path)
    module = cast(_ModelModule, _load(backend, f"{path}.kind"))
    options = decode_options(module.Options, config.options, f"{path}.options")
    return str(getattr(options, "device", "cpu"))


def build_engine(
    config: ModelConfig, shared: SharedModels | None = None, path: str = "models"
) -> Engine:
    """Load the configured model for one device lane.

    Args:
        config: the model.
        shared: what the lanes of this process use together; None: nothing is shared.
        path: key of ``config`` in the configuration, for messages.

    Raises:
        ConfigError: as :func:`describe`, or the model's files are missing or not the expected ones.
    """
    backend = _find(MODELS, config.kind, path)
    module = cast(_ModelModule, _load(backend, f"{path}.kind"))
    options = decode_options(module.Options, config.options, f"{path}.options")
    models = shared or SharedModels()
    engine = _guarded(lambda: module.build(options, models), backend, f"{path}.options")
    is_recognizer = engine.capabilities.kind is ModelKind.RECOGNIZER
    return UnloopingEngine(engine) if is_recognizer else engine


def build_vad(config: VadConfig, path: str = "vad") -> Vad:
    """Make the configured voice activity detector; its model loads with the first stream.

    Raises:
        ConfigError: as :func:`build_engine`.
    """
    backend = _find(VADS, config.kind, path)
    module = cast(_VadModule, _load(backend, f"{path}.kind"))
    options = decode_options(module.Options, config.options, f"{path}.options")
    return _guarded(lambda: module.build(options), backend, f"{path}.options")


def options_of_kinds() -> dict[str, type[Settings]]:
    """Give the options of every kind whose packages are installed, for the reference of the configuration."""
    found: dict[str, type[Settings]] = {}
    for kind, backend in {**MODELS, **{f"vad {kind}": vad for kind, vad in VADS.items()}}.items():
        module = cast("_ModelModule", importlib.import_module(backend.module))
        found[kind] = module.Options
    return found


def _find(table: Mapping[str, Backend], kind: str, path: str) -> Backend:
    backend = table.get(kind)
    if backend is None:
        known = ", ".join(sorted(table))
        raise ConfigError(f"{path}.kind: {kind!r} is unknown. Known kinds: {known}")
    return backend


def _load(backend: Backend, path: str) -> object:
    return _guarded(lambda: importlib.import_module(backend.module), backend, path)


def _guarded(make: Callable[[], T], backend: Backend, path: str) -> T:
    """Turn whatever keeps a backend from loading into an error that says what to do."""
    try:
        return make()
    except ImportError as error:
        package = error.name or str(error)
        raise BackendError(f"{path}: needs {package}.", backend.install) from error
    except ModelFileError as error:
        remedy = backend.install if error.from_package else ""
        raise BackendError(f"{path}: {error}", remedy) from error
