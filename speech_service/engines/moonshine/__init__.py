"""Moonshine tiny-en on onnxruntime: the embedded English recognizer.

The weights (MIT, https://github.com/moonshine-ai/moonshine) are read as data from the moonshine-voice
package, whose code is never imported. They are quantised dynamically to int8, so in the packaged graph a pass over
several tokens may flip a near-tie that single steps would not. The graphs of a FINAL keep tokens apart
(``exact_parts``): its text is that of plain greedy decoding of the clip, with a draft or without. PARTIALs take the
quicker graph.
"""

from pathlib import Path

from speech_service.config.tree import Amount, ConfigError, Count, Settings
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.work import RecognizeKind
from speech_service.engines.decoding import Greedy, OrEnding, StrategyFactory, Verify
from speech_service.engines.model_files import ModelFileError, package_folder, verified
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_MAX_AUDIO_MS = 90_000
"""What the table of positions covers, padding included."""
_PACKAGE = "moonshine_voice"
_DISTRIBUTION = "moonshine-voice==0.0.73"
ENCODER = ("encoder_model.ort", "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221")
DECODER = (
    "decoder_model_merged.ort",
    "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
)
TOKENIZER = ("tokenizer.bin", "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d")


class MoonshineOptions(Settings, frozen=True):
    """Options of ``recognizer/moonshine``."""

    threads: Count = 1
    """Threads of one run. Lanes on their own cores are better: a second thread costs 2.5 times the CPU."""
    padding_ms: Count = 300
    """Digital silence on both sides of the audio. Measured on read English: WER 9.1 % at 200, 8.6 % at 300."""
    partial_padding_ms: Count = 200
    """The silence behind the audio of a PARTIAL, which needs less of it: it sees the rest half a second later."""
    settles_after_ms: Count = 1500
    """PARTIALs: the encoder looks again at the newest audio alone, this much and what is new. More costs more at each
    update; with 1000, partials have more word errors (``python -m benchmarks partial_accuracy``)."""
    max_tokens_per_s: Amount = 6.5
    """Decoding stops above this rate: no one speaks that fast, the model has lost the thread."""
    max_audio_ms: Count = 40_000
    """Longer audio is refused: memory grows with the square of its length."""
    passes_per_step: Count = 8
    """Decoder passes of one device step; bounds how long an abort waits."""
    model_dir: str = ""
    """Folder with the three model files; empty: the installed package."""

    def __post_init__(self) -> None:
        """Refuse what the model cannot do."""
        if not 0 < self.max_audio_ms <= _MAX_AUDIO_MS:
            allowed = f"1 to {_MAX_AUDIO_MS}"
            raise ConfigError(
                f"max_audio_ms: {self.max_audio_ms} is out of range. Allowed: {allowed}"
            )
        if self.threads < 1 or self.passes_per_step < 1:
            raise ConfigError("threads and passes_per_step must be positive")
        lengths = ("padding_ms", "partial_padding_ms", "settles_after_ms")
        for name in lengths:
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: must not be negative")


def describe(options: MoonshineOptions) -> ModelCapabilities:
    """What the model can do."""
    del options
    return ModelCapabilities(
        name="moonshine-tiny-en",
        kind=ModelKind.RECOGNIZER,
        languages=("en",),
        sample_rate_hz=16_000,
        max_segment_ms=20_000,
        capabilities=frozenset(
            {
                Capability.PARTIAL_RESULTS,
                Capability.PUNCTUATION,
                Capability.DRAFT_VERIFICATION,
            }
        ),
        licence="MIT",
        description="Moonshine tiny, English, 27 M parameters, int8, on the CPU",
        max_batch=1,
        pauses=True,
        noise_words=("you", "thank you", "bye"),
    )


def build(options: MoonshineOptions, shared: SharedModels) -> Engine:
    """Load the model for one lane. Lanes share the loaded network: its runs may overlap.

    Raises:
        ImportError: onnxruntime is not installed.
        ModelFileError: a model file is missing or not the pinned one.
    """
    from speech_service.engines.moonshine.engine import MoonshineEngine
    from speech_service.engines.moonshine.network import MoonshineNetwork
    from speech_service.engines.moonshine.settled_audio import SettledAudio
    from speech_service.engines.moonshine.tokenizer import MoonshineTokenizer

    def load() -> tuple[MoonshineNetwork, MoonshineTokenizer, SettledAudio]:
        folder = _folder(options)
        encoder, decoder, tokenizer = (
            verified(folder / name, sha256) for name, sha256 in (ENCODER, DECODER, TOKENIZER)
        )
        network = MoonshineNetwork(encoder, decoder, options.threads)
        return network, MoonshineTokenizer(tokenizer.read_bytes()), SettledAudio()

    network, tokenizer, settled = shared.get((__name__, options.model_dir, options.threads), load)
    ending = (tokenizer.token("."),)
    strategies: dict[RecognizeKind, StrategyFactory] = {
        RecognizeKind.FINAL: Verify if network.verifies_exactly else Greedy,
        RecognizeKind.PARTIAL: lambda draft: OrEnding(Verify(draft), ending),
    }
    return MoonshineEngine(options, describe(options), network, tokenizer, settled, strategies)


def _folder(options: MoonshineOptions) -> Path:
    if options.model_dir:
        return Path(options.model_dir)
    package = package_folder(_PACKAGE)
    if package is None:
        raise ModelFileError(f"package {_DISTRIBUTION} is not installed.")
    return package / "assets" / "tiny-en"
