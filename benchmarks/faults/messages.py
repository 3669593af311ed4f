"""Single messages, as bytes, that are made to take a server's time: what the fault list found, and more of each kind.

They are written by hand on the wire: a client that builds seven million empty strings is busier than its server.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024
_LARGEST = 15 * MIB
_SRT, _VTT = 1, 2
_HEAD = {_SRT: "1\n00:00:01,000 --> 00:00:02,000\n", _VTT: "WEBVTT\n\n00:01.000 --> 00:02.000\n"}


@dataclass(frozen=True, slots=True)
class Worst:
    """Messages of one call, sent one after the other, then half-closed."""

    name: str
    method: str
    """Path of the RPC."""
    messages: Sequence[bytes]
    streams: bool = False
    """The RPC takes a stream of messages."""


def worst_messages() -> list[Worst]:
    """All of them; each takes some megabytes at most while it is held."""
    return [*_subtitles(), *_counts(), *_streams(), *_dear_texts(), *_others()]


def field(number: int, data: bytes | str) -> bytes:
    """A length-delimited field: a string, bytes or a message."""
    value = data.encode() if isinstance(data, str) else data
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def number(number_: int, value: int) -> bytes:
    """A varint field: an integer, a truth value or an enum."""
    return _varint(number_ << 3) + _varint(value)


def empty_strings(number_: int, size: int = _LARGEST) -> bytes:
    """As many empty strings of one repeated field as ``size`` bytes hold."""
    one = field(number_, b"")
    return one * (size // len(one))


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


_RAW_16K = field(1, number(1, 1) + number(2, 16_000))
_TO_PT = field(1, field(2, "en") + field(3, "pt"))
_ALIGN_8K = field(1, field(2, field(1, number(1, 3) + number(2, 8_000))) + field(3, "en"))


def _subtitles() -> Iterable[Worst]:
    texts = {
        "notes before a word": (_SRT, _HEAD[_SRT] + "\u266a" * 30_000 + "x"),
        "a tag that never ends": (_SRT, _HEAD[_SRT] + "<" + "a" * 90_000),
        "a tag, then letters": (_SRT, _HEAD[_SRT] + "<" + "a" * 45_000 + ">" + "b" * 45_000),
        "a voice of many words": (_VTT, _HEAD[_VTT] + "<v." + "a " * 45_000),
        "many opened tags": (_SRT, _HEAD[_SRT] + "<a>" * 30_000),
        "15 MiB of line ends, SRT": (_SRT, "\n" * _LARGEST),
        "15 MiB of line ends, VTT": (_VTT, "WEBVTT\n" + "\n" * _LARGEST),
    }
    for name, (kind, text) in texts.items():
        document = field(4, number(1, kind) + field(2, text))
        yield Worst(
            f"subtitles: {name}", "/speech.v1.TranslationService/TranslateText", [_TO_PT + document]
        )


def _counts() -> Iterable[Worst]:
    recognize, translate = (
        "/speech.v1.RecognitionService/Recognize",
        "/speech.v1.TranslationService/TranslateText",
    )
    synthesize = "/speech.v1.SynthesisService/Synthesize"
    audio, hello = field(2, b"\0" * 3200), field(2, "Hello.")
    format_, lenient = field(2, _RAW_16K), number(11, 2)
    yield Worst("7.8 M texts", translate, [_TO_PT + field(3, empty_strings(1))])
    yield Worst("7.8 M targets", translate, [field(1, field(2, "en") + empty_strings(3)) + hello])
    yield Worst(
        "7.8 M glossary entries",
        translate,
        [field(1, field(2, "en") + field(3, "pt") + empty_strings(4)) + hello],
    )
    yield Worst(
        "7.8 M language codes", recognize, [field(1, format_ + field(3, empty_strings(1))) + audio]
    )
    yield Worst(
        "7.8 M context terms",
        recognize,
        [field(1, format_ + lenient + field(4, empty_strings(2))) + audio],
    )
    yield Worst(
        "7.8 M replacements",
        recognize,
        [field(1, format_ + lenient + field(4, empty_strings(3))) + audio],
    )
    yield Worst("7.8 M lexicon entries", synthesize, [field(1, empty_strings(10)) + hello])
    yield Worst(
        "7.8 M unknown fields",
        "/speech.v1.ModelService/ListModels",
        [number(900, 1) * (_LARGEST // 3)],
    )
    yield Worst(
        "7.8 M languages of a voice", "/speech.v1.VoiceService/CreateVoice", [empty_strings(6)]
    )


def _streams() -> Iterable[Worst]:
    speak, translate = (
        "/speech.v1.SynthesisService/StreamingSynthesize",
        "/speech.v1.TranslationService/StreamingTranslate",
    )
    recognize = "/speech.v1.RecognitionService/StreamingRecognize"
    clause, sentence = number(12, 2), number(12, 1)
    texts = {
        "clauses without an end": (clause, "a b " * 22_500),
        "sentences without a word": (sentence, ". " * 45_000),
        "marks without an end": (sentence, "a" + "." * 90_000),
    }
    for name, (mode, text) in texts.items():
        messages = [field(1, mode), field(2, field(2, text))]
        yield Worst(f"synthesis: {name}", speak, messages, streams=True)
    for text in ("a b " * 22_500, ". " * 45_000):
        messages = [_TO_PT, field(2, field(1, text))]
        yield Worst(f"translation of 90 kB: {text[:4]!r}", translate, messages, streams=True)
    config = field(1, field(2, _RAW_16K))
    update = field(6, field(1, b"") + field(2, empty_strings(1)))
    yield Worst("an update of 7.8 M paths", recognize, [config, update], streams=True)


def _dear_texts() -> Iterable[Worst]:
    """Within every bound, and made to be dear to read: for the front end, or for the lock of the worker."""
    texts = {
        "marks on letters": ("a" + "\u0301" * 30 + " ") * 1_500,
        "joined emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 " * 6_000,
        "right to left, and back": "\u202eabc\u202c \u05e9\u05dc\u05d5\u05dd " * 4_000,
        "nothing to be seen": "\u200b\u2060\ufeff" * 15_000,
        "one number": "9" * 48_000,
        "tags of speech": "<say-as interpret-as='date'><prosody rate='x'>1/2/3</prosody>" * 700,
    }
    for name, text in texts.items():
        yield Worst(
            f"translation: {name}",
            "/speech.v1.TranslationService/TranslateText",
            [_TO_PT + field(2, text)],
        )
        yield Worst(
            f"synthesis: {name}", "/speech.v1.SynthesisService/Synthesize", [field(2, text)]
        )
    cues = "".join(f"{n}\n00:00:00,000 --> 00:00:01,000\n-\n\n" for n in range(1, 36_000))
    yield Worst(
        "subtitles: 36,000 cues without a word",
        "/speech.v1.TranslationService/TranslateText",
        [_TO_PT + field(4, number(1, _SRT) + field(2, cues))],
    )
    audio = bytes(range(256)) * 625  # 20 s of a buzz that is nothing of the text
    for name, text in {
        "signs": "#/.+= " * 800,
        "numbers": "1234567890123 " * 200,
        "words that nobody knows": "".join(f"zx{n}q " for n in range(3_000)),
    }.items():
        yield Worst(
            f"alignment: {name}",
            "/speech.v1.AlignmentService/Align",
            [_ALIGN_8K + field(2, text) + field(3, audio)],
        )


def _others() -> Iterable[Worst]:
    yield Worst(
        "health of 15 MiB of a name", "/grpc.health.v1.Health/Check", [field(1, "a" * _LARGEST)]
    )
    text = ("a." * 4000 + "aa. ") * 3
    audio = b"\xff" * (8_000 * 590)
    yield Worst(
        "initials in 590 s of mu-law",
        "/speech.v1.AlignmentService/Align",
        [_ALIGN_8K + field(2, text) + field(3, audio)],
    )
