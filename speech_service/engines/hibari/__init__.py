"""hibari on onnxruntime: the embedded English synthesizer.

An 8 MB model (Apache-2.0, https://github.com/MMWilliams/hibari) distilled from the Kokoro-82M voice af_heart. The
package's G2P and signal processing are used as they are; its loader is not, because it downloads voices, lets threads
spin, and keeps the durations to itself.
"""

from speech_service.config.tree import Count, Settings
from speech_service.domain.errors import UnsupportedOptionError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import Voice, VoiceGender
from speech_service.engines.model_files import needed_folder, verified
from speech_service.engines.shared import SharedModels
from speech_service.engines.speaking import Speaker, speaking_engine
from speech_service.protocols import Engine

NAME = "hibari"
SAMPLE_RATE_HZ = 24_000
VOICE = "heart"
DOWNLOADED_VOICES = ("emma", "fable", "fenrir", "kore")
"""Voices of hibari that are not in its package: it would fetch them from a model hub."""

_PACKAGE = "hibari"
_DISTRIBUTION = "hibari-tts==0.2.1"
_NETWORK = ("hibari.onnx", "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8")


class HibariOptions(Settings, frozen=True):
    """Options of ``synthesizer/hibari``."""

    threads: Count = 1
    """Threads of one run. Lanes on their own cores are better."""
    voice: str = VOICE
    """The one voice inside the package; any other is refused."""
    lead_ms: Count = 100
    """Silence before a sentence. The model begins with 350 ms of it, which would delay every answer by as much."""
    joint_ms: Count = 25
    """Silence before a piece that goes on with a sentence, after the pause that the piece before ended with."""
    whole_phonemes: Count = 160
    """Longer sentences (10 s) are spoken clause by clause, so that their first sound does not wait for all of it."""
    max_phonemes: Count = 400
    """Longest piece: cost and memory grow with its square. The limit that hibari itself keeps."""


def describe(options: HibariOptions) -> ModelCapabilities:
    """What the model can do.

    Raises:
        UnsupportedOptionError: ``options.voice`` is not the bundled one.
    """
    check_voice(options.voice, "voice")
    return ModelCapabilities(
        name=NAME,
        kind=ModelKind.SYNTHESIZER,
        languages=("en",),
        sample_rate_hz=SAMPLE_RATE_HZ,
        max_segment_ms=60_000,
        capabilities=frozenset(
            {
                Capability.SPEAKING_RATE,
                Capability.LEXICON,
                Capability.SEED,
                Capability.WORD_TIMINGS,
            }
        ),
        voices=voices(options),
        absent_voices=DOWNLOADED_VOICES,
        licence="Apache-2.0",
        description="hibari, English, one voice, 8 MB, on the CPU",
        max_batch=1,
    )


def voices(options: HibariOptions) -> tuple[Voice, ...]:
    """The voices it speaks with."""
    check_voice(options.voice, "voice")
    heart = Voice(
        voice_id=VOICE,
        display_name="Heart",
        model=NAME,
        languages=("en-US",),
        gender=VoiceGender.FEMALE,
        sample_rate_hz=SAMPLE_RATE_HZ,
        licence="Apache-2.0",
        description="American English; distilled from the Kokoro-82M voice af_heart",
    )
    return (heart,)


def check_voice(voice: str, option: str = "voice_id") -> None:
    """Refuse every voice but the bundled one.

    Raises:
        UnsupportedOptionError: hibari does not have it, or would have to download it.
    """
    if voice == VOICE:
        return
    problem = f"hibari has no voice {voice!r}"
    if voice in DOWNLOADED_VOICES:
        problem = f"hibari's voice {voice!r} is not in its package but on a model hub, and nothing is downloaded here"
    raise UnsupportedOptionError(option, problem, [VOICE])


def build(options: HibariOptions, shared: SharedModels) -> Engine:
    """Make one lane's engine; raises as :func:`build_speaker`."""
    return speaking_engine(describe(options), build_speaker(options, shared))


def build_speaker(options: HibariOptions, shared: SharedModels) -> Speaker:
    """Load the voice. Lanes share it: its runs may overlap.

    Raises:
        ImportError: hibari-tts or onnxruntime is not installed.
        ModelFileError: the model is missing or not the pinned one.
        UnsupportedOptionError: ``options.voice`` is not the bundled one.
    """
    from speech_service.engines.hibari.network import HibariNetwork
    from speech_service.engines.hibari.reading import PhonemeReader, load_g2p
    from speech_service.engines.hibari.speaker import HibariSpeaker

    check_voice(options.voice, "voice")

    def load() -> tuple[HibariNetwork, PhonemeReader]:
        folder = needed_folder(_PACKAGE, _DISTRIBUTION)
        name, sha256 = _NETWORK
        network = HibariNetwork(verified(folder / "assets" / name, sha256), options.threads)
        return network, PhonemeReader(load_g2p(), network.symbols, options)

    network, reader = shared.get((__name__, options), load)
    speaker = HibariSpeaker(options, network, reader)
    for _ in speaker.speak(
        "Ready, xylo."
    ):  # The first run is the slow one; the unknown word loads its net.
        pass
    return speaker
