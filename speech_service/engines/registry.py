"""Which module serves which kind. Adding a backend is one module and one line here.

A model's module has the class of its options, ``describe(options)`` and ``build(options, shared)``; a VAD module has
the class of its options and ``build(options)``. Importing one is cheap: what is heavy is imported inside ``build``.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast

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
    """Where a backend is, the class of its options, and what installs its packages."""

    module: str
    options: str
    install: str

    def options_type(self) -> type[Settings]:
        """Import the module and give the class of its options.

        Raises:
            ImportError: a package is missing.
        """
        return cast("type[Settings]", getattr(importlib.import_module(self.module), self.options))


_SERVER = install_extra("server")

_QWEN = install_extra("server,qwen")
_VLLM = install_extra("server,vllm")
_QWEN_ASR = f"pip install --no-deps qwen-asr==0.0.6 {RECIPE}"
_QWEN_TTS = f"pip install --no-deps qwen-tts==0.1.1 {RECIPE}"

_ENGINES = "speech_service.engines"

MODELS: Mapping[str, Backend] = {
    "recognizer/moonshine": Backend(f"{_ENGINES}.moonshine", "MoonshineOptions", _SERVER),
    "recognizer/qwen3": Backend(f"{_ENGINES}.qwen3.asr.options", "Qwen3AsrOptions", _QWEN),
    "recognizer/qwen-asr": Backend(
        f"{_ENGINES}.official_qwen.recognizer", "OfficialAsrOptions", _QWEN_ASR
    ),
    "recognizer/vllm": Backend(f"{_ENGINES}.vllm.recognizer", "VllmRecognizerOptions", _VLLM),
    "recognizer/fake": Backend(f"{_ENGINES}.fake.recognizer", "FakeRecognizerOptions", _SERVER),
    "synthesizer/hibari": Backend(f"{_ENGINES}.hibari", "HibariOptions", _SERVER),
    "synthesizer/qwen3": Backend(f"{_ENGINES}.qwen3.tts.options", "Qwen3TtsOptions", _QWEN),
    "synthesizer/qwen-tts": Backend(
        f"{_ENGINES}.official_qwen.synthesizer", "OfficialTtsOptions", _QWEN_TTS
    ),
    "synthesizer/vllm-omni": Backend(f"{_ENGINES}.vllm.synthesizer", "VllmOmniOptions", _VLLM),
    "synthesizer/fake": Backend(f"{_ENGINES}.fake.synthesizer", "FakeSynthesizerOptions", _SERVER),
    "aligner/pocketsphinx": Backend(f"{_ENGINES}.pocketsphinx", "PocketsphinxOptions", _SERVER),
    "aligner/qwen3": Backend(f"{_ENGINES}.qwen3.aligner.options", "Qwen3AlignerOptions", _QWEN),
    "aligner/fake": Backend(f"{_ENGINES}.fake.aligner", "FakeAlignerOptions", _SERVER),
    "translator/marian": Backend(f"{_ENGINES}.marian.engine", "MarianOptions", _SERVER),
    "translator/openai": Backend(f"{_ENGINES}.openai", "OpenAiOptions", _SERVER),
    "translator/fake": Backend(f"{_ENGINES}.fake.translator", "FakeTranslatorOptions", _SERVER),
    "language/fasttext": Backend(f"{_ENGINES}.fasttext.identifier", "FasttextOptions", _SERVER),
    "language/fake": Backend(f"{_ENGINES}.fake.language", "FakeLanguageOptions", _SERVER),
}
VADS: Mapping[str, Backend] = {
    "silero": Backend(f"{_ENGINES}.silero.detector", "SileroOptions", _SERVER),
    "fake": Backend(f"{_ENGINES}.fake.vad", "FakeVadOptions", _SERVER),
}


class _ModelModule(Protocol):
    def describe(self, options: Settings) -> ModelCapabilities: ...

    def build(self, options: Settings, shared: SharedModels) -> Engine: ...


class _VadModule(Protocol):
    def build(self, options: Settings) -> Vad: ...


def describe(config: ModelConfig, path: str = "models") -> ModelCapabilities:
    """What the configured model can do, without loading it.

    Args:
        config: the model; its ``name``, where given, replaces the backend's own.
        path: key of ``config`` in the configuration, for messages.

    Raises:
        ConfigError: the kind is unknown, an option is wrong or the backend cannot be imported.
    """
    backend, module, options = _opened(MODELS, config, path)
    model = cast(_ModelModule, module)
    capabilities = _guarded(lambda: model.describe(options), backend, f"{path}.options")
    name = config.name or capabilities.name
    voices = tuple(replace(voice, model=name) for voice in capabilities.voices)
    return replace(capabilities, name=name, voices=voices)


def device_of(config: ModelConfig) -> str:
    """Where the configured model runs: its option ``device``; "cpu" for backends that know no other.

    Raises:
        ConfigError: as :func:`describe`.
    """
    return str(getattr(_opened(MODELS, config, "models")[2], "device", "cpu"))


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
    backend, module, options = _opened(MODELS, config, path)
    model, models = cast(_ModelModule, module), shared or SharedModels()
    engine = _guarded(lambda: model.build(options, models), backend, f"{path}.options")
    is_recognizer = engine.capabilities.kind is ModelKind.RECOGNIZER
    return UnloopingEngine(engine) if is_recognizer else engine


def build_vad(config: VadConfig) -> Vad:
    """Make the configured voice activity detector; its model loads with the first stream.

    Raises:
        ConfigError: as :func:`build_engine`.
    """
    backend, module, options = _opened(VADS, config, "vad")
    detector = cast(_VadModule, module)
    return _guarded(lambda: detector.build(options), backend, "vad.options")


def options_of_kinds() -> dict[str, type[Settings]]:
    """Give the options of every kind whose packages are installed, for the reference of the configuration."""
    backends = {**MODELS, **{f"vad {kind}": vad for kind, vad in VADS.items()}}
    return {kind: backend.options_type() for kind, backend in backends.items()}


def _opened(
    table: Mapping[str, Backend], config: ModelConfig | VadConfig, path: str
) -> tuple[Backend, object, Settings]:
    """Give the backend of a configured kind, its module, and its options as they were read."""
    backend = table.get(config.kind)
    if backend is None:
        known = ", ".join(sorted(table))
        raise ConfigError(f"{path}.kind: {config.kind!r} is unknown. Known kinds: {known}")
    options_type = _guarded(backend.options_type, backend, f"{path}.kind")
    options = decode_options(options_type, config.options, f"{path}.options")
    return backend, importlib.import_module(backend.module), options


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
