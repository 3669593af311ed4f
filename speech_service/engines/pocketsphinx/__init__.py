"""PocketSphinx with its bundled US English model: the embedded aligner.

The acoustic model and the dictionary (BSD, https://github.com/cmusphinx/pocketsphinx) come inside the pocketsphinx
package. Words that are not in the dictionary are read by the spelling-to-sound network inside hibari-tts (Apache-2.0).
"""

from collections.abc import Iterator
from pathlib import Path

from speech_service.config.tree import Amount, Count, Level, Settings
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.work import AlignWork, Outcome, Work
from speech_service.engines.model_files import needed_folder, verified
from speech_service.engines.shared import SharedModels
from speech_service.engines.stepping import SteppingEngine
from speech_service.protocols import Engine

NAME = "pocketsphinx-en-us"

_PACKAGE = "pocketsphinx"
_DISTRIBUTION = "pocketsphinx==5.1.1"
_G2P_PACKAGE = "hibari"
_G2P_DISTRIBUTION = "hibari-tts==0.2.1"
_MODEL_FILES = {
    "en-us/mdef": "2360f9a86889c1cfee8bd618a0269387911e5fb2920a594f506b18b8c79683b0",
    "en-us/means": "832019e32cac12eb318964f96f469034acb12d0348eeddc3831831a100cb4dd4",
    "en-us/variances": "b00d696f85e96834fc10f8e5f06428d8c4db6bffdbe5845b6f69bf6efbc48fa5",
    "en-us/sendump": "8c9564c0d5bef69ca9d9bf1014abe162f071644cf02cf1fa8a483c3dc165a7a8",
    "en-us/transition_matrices": "c1f7f28ea43177be734be1f88bd7f1b9a853d0e660f8599c67c6eaeca8bb539a",
    "en-us/feat.params": "c982c5f75e2a30c34d2c9ef1f6b129a5a00e67e3e927565076b58664cc2404c9",
    "cmudict-en-us.dict": "20b5c293e1f311fb375fe067e500ec5636f4fc7af5594967263696def9b23bfe",
}
_G2P_FILES = {
    "oov.onnx": "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
    "oov.json": "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c",
}


class PocketsphinxOptions(Settings, frozen=True):
    """Options of ``aligner/pocketsphinx``. Penalties are in nats, scores in the decoder's units (0.1 nat) per frame."""

    window_ms: Count = 20_000
    """Audio of one search, which is one device step (0.5 s of CPU)."""
    tail_ms: Count = 1_000
    """Words that end this close to the end of a window are left to the next one: they may be cut."""
    filler_penalty: Amount = 20.0
    """Price of one phone that is in no word. Measured: lower loses right words, higher keeps wrong ones."""
    min_score: Level = -30.0
    """Words whose neighbourhood scores worse against free phones are not believed."""
    min_word_score: Level = -75.0
    """A word alone that scores worse is not believed."""
    min_support: Amount = 0.6
    """Share of the letters before or after a word that must be placed for it to be believed."""


def describe(options: PocketsphinxOptions) -> ModelCapabilities:
    """What the model can do."""
    del options
    return ModelCapabilities(
        name=NAME,
        kind=ModelKind.ALIGNER,
        languages=("en",),
        sample_rate_hz=16_000,
        max_segment_ms=4 * 3600 * 1000,
        capabilities=frozenset(
            {
                Capability.ALIGN_WORDS,
                Capability.ALIGN_PHONES,
                Capability.ALIGN_CHARACTERS,
            }
        ),
        licence="BSD-2-Clause",
        description="PocketSphinx, US English, semi-continuous HMMs, on the CPU",
        max_batch=1,
    )


def build(options: PocketsphinxOptions, shared: SharedModels) -> Engine:
    """Load the model for one lane. A decoder keeps state, so each lane has its own.

    Raises:
        ImportError: pocketsphinx or onnxruntime is not installed.
        ModelFileError: a model file is missing or not the pinned one.
    """
    from speech_service.engines.pocketsphinx.aligner import PocketSphinxAligner
    from speech_service.engines.pocketsphinx.decoder import Decoder, DecoderFiles
    from speech_service.engines.pocketsphinx.letters_to_sound import LettersToSound
    from speech_service.engines.pocketsphinx.pronunciation import Pronouncer

    model = needed_folder(_PACKAGE, _DISTRIBUTION) / "model" / "en-us"
    g2p = needed_folder(_G2P_PACKAGE, _G2P_DISTRIBUTION) / "assets"
    for folder, files in ((model, _MODEL_FILES), (g2p, _G2P_FILES)):
        for name, digest in files.items():
            verified(folder / name, digest)
    files = DecoderFiles(
        acoustic=model / "en-us",
        dictionary=model / "cmudict-en-us.dict",
        fillers=Path(__file__).with_name("fillers.dict"),
    )
    letters = shared.get(
        (__name__, "g2p"), lambda: LettersToSound(g2p / "oov.onnx", g2p / "oov.json")
    )
    decoder = Decoder(files)
    aligner = PocketSphinxAligner(options, decoder, Pronouncer(decoder.look_up, letters.read))

    def run(work: Work) -> Iterator[Outcome | None]:
        assert isinstance(work, AlignWork), "an aligner gets alignment work"
        return aligner.pieces(work.samples, work.text, work.granularity)

    return SteppingEngine(describe(options), run)
