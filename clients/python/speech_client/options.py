"""Recognition options as keyword arguments, and how they become a ``RecognitionConfig``.

Nothing is checked here that the server checks better: it knows the model's capabilities and names the wrong field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypedDict

from google.protobuf.duration_pb2 import Duration

from speech.v1 import audio_pb2, common_pb2
from speech.v1.recognition_service_pb2 import RecognitionConfig
from speech_client.option_names import check_options

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
ContainerName = Literal[
    "wav", "flac", "ogg_opus", "mp3", "webm_opus", "m4a", "aiff", "aac", "amr", "caf", "w64"
]

SubtitleFormat = Literal["srt", "vtt"]

ENCODINGS: "Mapping[Encoding, tuple[audio_pb2.AudioEncoding.ValueType, int]]" = {
    "pcm_s16le": (audio_pb2.AUDIO_ENCODING_PCM_S16LE, 2),
    "pcm_f32le": (audio_pb2.AUDIO_ENCODING_PCM_F32LE, 4),
    "mulaw": (audio_pb2.AUDIO_ENCODING_MULAW, 1),
    "alaw": (audio_pb2.AUDIO_ENCODING_ALAW, 1),
}
"""Wire value and bytes per sample of each headerless encoding."""

_CONTAINERS: "Mapping[ContainerName, audio_pb2.AudioContainer.ValueType]" = {
    "wav": audio_pb2.AUDIO_CONTAINER_WAV,
    "flac": audio_pb2.AUDIO_CONTAINER_FLAC,
    "ogg_opus": audio_pb2.AUDIO_CONTAINER_OGG_OPUS,
    "mp3": audio_pb2.AUDIO_CONTAINER_MP3,
    "webm_opus": audio_pb2.AUDIO_CONTAINER_WEBM_OPUS,
    "m4a": audio_pb2.AUDIO_CONTAINER_M4A,
    "aiff": audio_pb2.AUDIO_CONTAINER_AIFF,
    "aac": audio_pb2.AUDIO_CONTAINER_AAC,
    "amr": audio_pb2.AUDIO_CONTAINER_AMR,
    "caf": audio_pb2.AUDIO_CONTAINER_CAF,
    "w64": audio_pb2.AUDIO_CONTAINER_W64,
}


_MOST_UINT32 = 2**32 - 1


@dataclass(frozen=True, slots=True)
class RawAudio:
    """Headerless audio, channels interleaved: 8000 to 48000 Hz, 1 to 8 channels.

    The server says which of them it takes; what no audio can be, and no message could carry, is a ValueError.
    """

    sample_rate_hz: int
    encoding: Encoding = "pcm_s16le"
    channel_count: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding: {self.encoding!r} is none of {', '.join(ENCODINGS)}")
        for name in ("sample_rate_hz", "channel_count"):
            value: int = getattr(self, name)
            if not 1 <= value <= _MOST_UINT32:
                raise ValueError(f"{name}: {value} is not in 1 to {_MOST_UINT32}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return ENCODINGS[self.encoding][1] * self.channel_count

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of audio."""
        return self.frame_bytes * self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Container:
    """A container that the caller names; bytes of another container are refused."""

    name: ContainerName

    def __post_init__(self) -> None:
        if self.name not in _CONTAINERS:
            raise ValueError(f"name: {self.name!r} is none of {', '.join(_CONTAINERS)}")


@dataclass(frozen=True, slots=True)
class OpusPackets:
    """Bare Opus packets, one in each ``send_audio``."""

    sample_rate_hz: int = 48_000
    channel_count: int = 1


@dataclass(frozen=True, slots=True)
class AutoDetect:
    """Any container, found by the server from its first bytes. Headerless audio cannot be detected."""


AudioFormat = RawAudio | Container | OpusPackets | AutoDetect


class Pacing(Enum):
    """How fast audio is sent: as it is spoken, or as fast as the server reads."""

    REALTIME = "realtime"
    FILE = "file"


class RecognizeOptions(TypedDict, total=False):
    """Options of recognition; all may be left out.

    An option that the model lacks is an error (``InvalidRequestError``), or a warning with ``lenient``.

    Keys:
        model: name as in ``list_models``; "": the server's default.
        format: how to read the bytes; default ``AutoDetect()``.
        language: BCP-47 code or codes that may be spoken.
        language_mode: what the codes mean; default "hint"; "force" takes one code.
        context: text that describes the situation or came before.
        terms: names and terms that are likely to be spoken.
        replacements: words to find in the transcript and what to put in their place.
        endpointing: who ends segments: the server's voice detector, the caller's ``finalize``, or nobody.
        vad_threshold: speech probability, 0 to 1, above which a frame counts as speech.
        min_speech_ms: shortest speech that opens a segment.
        end_silence_ms: silence that ends a segment.
        quiet_margin_ms: how much longer than that nothing may be sent before speech is taken as ended.
        max_segment_ms: longest segment.
        partial_results: default: yes on a real-time stream, no with FILE.
        partial_interval_ms: audio between two partials of a segment.
        word_times: adds words with times.
        word_confidence: adds a confidence to each word.
        separate_channels: recognizes each channel by itself.
        punctuation: whether text has punctuation and capitals.
        inverse_text_normalization: whether numbers and dates are written as figures.
        profanity_filter: masks profane words.
        lenient: options that the model lacks are left out with a warning.
        subtitles: asks a unary call for a subtitle file.
        subtitle_mode: where its times come from: shared out by characters, or the aligner; default "fast".
        raw_config: escape hatch: a message that the options above are merged into.
    """

    model: str
    format: AudioFormat
    language: str | Sequence[str]
    language_mode: Literal["hint", "allow", "deny", "force"]
    context: str
    terms: Sequence[str]
    replacements: Mapping[str, str]
    endpointing: Literal["vad", "external", "off"]
    vad_threshold: float
    min_speech_ms: int
    end_silence_ms: int
    quiet_margin_ms: int
    max_segment_ms: int
    partial_results: bool
    partial_interval_ms: int
    word_times: bool
    word_confidence: bool
    separate_channels: bool
    punctuation: bool
    inverse_text_normalization: bool
    profanity_filter: bool
    lenient: bool
    subtitles: SubtitleFormat
    subtitle_mode: Literal["fast", "accurate"]
    raw_config: RecognitionConfig


_SCALARS = (
    "model",
    "partial_results",
    "word_times",
    "word_confidence",
    "separate_channels",
    "punctuation",
    "inverse_text_normalization",
    "profanity_filter",
)
"""Options whose name and value are the message's own."""


def build_config(options: RecognizeOptions, pacing: Pacing | None = None) -> RecognitionConfig:
    """The message that stands for the options; ``pacing`` None on a unary call. Raises: see ``check_options``."""
    check_options(options, RecognizeOptions)
    config = RecognitionConfig()
    if "raw_config" in options:
        config.CopyFrom(options["raw_config"])
    for name in _SCALARS:
        if name in options:
            setattr(config, name, options.get(name))
    if "format" in options or config.audio.WhichOneof("format") is None:
        config.audio.CopyFrom(audio_format(options.get("format", AutoDetect())))
    _put_language(config, options)
    _put_context(config, options)
    _put_endpointing(config, options)
    if "partial_interval_ms" in options:
        config.partial_interval.CopyFrom(duration(options["partial_interval_ms"]))
    if options.get("lenient"):
        config.option_handling = common_pb2.OPTION_HANDLING_LENIENT
    if "subtitles" in options:
        config.subtitles.format = subtitle_format(options["subtitles"])
    if "subtitle_mode" in options:
        name = f"SUBTITLE_MODE_{options['subtitle_mode'].upper()}"
        config.subtitles.mode = common_pb2.SubtitleMode.Value(name)
    if pacing is not None:
        config.pacing = common_pb2.Pacing.Value(f"PACING_{pacing.name}")
    return config


def audio_format(audio: AudioFormat) -> audio_pb2.AudioFormat:
    """The message that stands for an audio format."""
    match audio:
        case RawAudio():
            raw = audio_pb2.RawAudio(
                encoding=ENCODINGS[audio.encoding][0],
                sample_rate_hz=audio.sample_rate_hz,
                channel_count=audio.channel_count,
            )
            return audio_pb2.AudioFormat(raw=raw)
        case Container():
            return audio_pb2.AudioFormat(container=_CONTAINERS[audio.name])
        case OpusPackets():
            packets = audio_pb2.OpusPackets(
                sample_rate_hz=audio.sample_rate_hz, channel_count=audio.channel_count
            )
            return audio_pb2.AudioFormat(opus_packets=packets)
        case AutoDetect():
            return audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())


def subtitle_format(name: SubtitleFormat) -> "common_pb2.SubtitleFormat.ValueType":
    """The wire value of a subtitle format."""
    return common_pb2.SubtitleFormat.Value(f"SUBTITLE_FORMAT_{name.upper()}")


def duration(milliseconds: int) -> Duration:
    """A protobuf duration."""
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def _put_language(config: RecognitionConfig, options: RecognizeOptions) -> None:
    if "language" in options:
        given = options["language"]
        config.language.codes[:] = [given] if isinstance(given, str) else given
    if "language_mode" in options:
        name = f"LANGUAGE_MODE_{options['language_mode'].upper()}"
        config.language.mode = common_pb2.LanguageMode.Value(name)


def _put_context(config: RecognitionConfig, options: RecognizeOptions) -> None:
    if "context" in options:
        config.context.text = options["context"]
    if "terms" in options:
        config.context.terms[:] = options["terms"]
    for find, replace_with in options.get("replacements", {}).items():
        config.context.replacements.add(find=find, replace_with=replace_with)


def _put_endpointing(config: RecognitionConfig, options: RecognizeOptions) -> None:
    endpointing = config.endpointing
    if "endpointing" in options:
        name = f"ENDPOINTING_MODE_{options['endpointing'].upper()}"
        endpointing.mode = common_pb2.EndpointingMode.Value(name)
    if "vad_threshold" in options:
        endpointing.threshold = options["vad_threshold"]
    if "min_speech_ms" in options:
        endpointing.min_speech.CopyFrom(duration(options["min_speech_ms"]))
    if "end_silence_ms" in options:
        endpointing.end_silence.CopyFrom(duration(options["end_silence_ms"]))
    if "quiet_margin_ms" in options:
        endpointing.quiet_margin.CopyFrom(duration(options["quiet_margin_ms"]))
    if "max_segment_ms" in options:
        endpointing.max_segment.CopyFrom(duration(options["max_segment_ms"]))
