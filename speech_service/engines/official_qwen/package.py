"""Loads the official Qwen packages, qwen-asr and qwen-tts, and calls them.

Both were written for transformers 4.57.6 and cannot even be imported on transformers 5, with an error that says nothing
of it. So the version is looked at first.
"""

import importlib
import importlib.util
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen_release.hub import locate

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRANSFORMERS = "4.57"
RECIPE = "in an environment of its own, with transformers==4.57.6 (docs/backends.md)"
"""Where the packages can be installed; part of the registry's messages."""


class PackageOptions(Protocol):
    """What both backends let one choose of a model."""

    @property
    def model(self) -> str:
        """Folder or hub name."""
        ...

    @property
    def device(self) -> str:
        """As torch names it."""
        ...

    @property
    def dtype(self) -> str:
        """As torch names it."""
        ...

    @property
    def attention(self) -> str:
        """As transformers names it."""
        ...


def load_official(
    package: str, class_name: str, options: PackageOptions, settings: Mapping[str, object]
) -> Any:
    """The package's model object.

    Args:
        package: ``qwen_asr`` or ``qwen_tts``.
        class_name: its class with ``from_pretrained``.
        options: which model, and how it runs.
        settings: further arguments of ``from_pretrained``.

    Raises:
        ImportError: the package, or one that it needs, is not installed.
        ConfigError: transformers is another version, or the package cannot load the model.
        CheckpointError: the model is neither a folder nor on a hub that can be reached.
    """
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    _check_transformers(package)
    folder = locate(options.model)
    import torch  # heavy; the packages bring it

    module = importlib.import_module(package)
    try:
        return getattr(module, class_name).from_pretrained(
            str(folder),
            device_map=options.device,
            dtype=getattr(torch, options.dtype),
            attn_implementation=options.attention,
            **settings,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        logger.debug("%s could not load its model", package, exc_info=error)
        raise ConfigError(
            f"model: {package} cannot load {options.model} ({type(error).__name__}); it needs all files of a release, "
            "with those of its processor. The log has the cause at level DEBUG"
        ) from error


def timed(call: Callable[[], T]) -> tuple[T | None, float]:
    """What ``call`` returns, None where it fails (the cause is logged), and the milliseconds that it took."""
    begin_s = time.perf_counter()
    try:
        answer = call()
    except Exception:
        logger.exception("an official package failed")
        answer = None
    return answer, (time.perf_counter() - begin_s) * 1000


def _check_transformers(package: str) -> None:
    # Not at the top: the registry imports this module, and it brings the email package.
    from importlib import metadata

    found = metadata.version("transformers")  # PackageNotFoundError is an ImportError
    if found != _TRANSFORMERS and not found.startswith(f"{_TRANSFORMERS}."):
        problem = f"needs transformers {_TRANSFORMERS}.6 and this environment has {found}"
        raise ConfigError(f"kind: {package} {problem}. Install it {RECIPE}")
