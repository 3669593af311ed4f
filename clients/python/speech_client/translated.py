"""What a translation stream gives of its own, as frozen values."""

from dataclasses import dataclass

from speech_client.results import ResultKind


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in a target language.

    Attributes:
        segment_id: segment of the source; for texts the text's index, from 0.
        language: BCP-47 code of the target.
        kind: whether the text can still change.
        text: the whole translation of the segment as now known.
        source_language: BCP-47 code of the source, as given or found.
        char_end: of a stream of text: where the segment ends in all text that was sent, in characters; else None.
    """

    segment_id: int
    language: str
    kind: ResultKind
    text: str
    source_language: str
    char_end: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether the text will not change any more."""
        return self.kind is ResultKind.FINAL


@dataclass(frozen=True, slots=True)
class TranslationChunk:
    """A piece of spoken translation. A language's pieces, joined in order, make one file."""

    segment_id: int
    language: str
    sequence: int
    data: bytes
    start_ms: int
    duration_ms: int
