"""The packaged Moonshine, as its contract tests load it."""

from pathlib import Path

import pytest

from speech_service.engines.model_files import package_folder
from speech_service.engines.moonshine import DECODER, ENCODER
from speech_service.engines.moonshine.network import MoonshineNetwork


def model_folder() -> Path:
    """Where the package has its model files; the development install brings them."""
    package = package_folder("moonshine_voice")
    assert package is not None
    return package / "assets" / "tiny-en"


def load_network() -> MoonshineNetwork:
    """A network of the test's own."""
    pytest.importorskip("onnxruntime")
    folder = model_folder()
    return MoonshineNetwork(folder / ENCODER[0], folder / DECODER[0], threads=1)
