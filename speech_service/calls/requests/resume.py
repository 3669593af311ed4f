"""Going on with a session that an earlier call began: what is checked of where it goes on."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from speech_service.calls.resume_tokens import ResumeTokens
from speech_service.domain.audio import MAX_CHANNELS, MAX_SESSION_MS
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidOptionError, LimitExceededError
from speech_service.domain.resume import ResumePoint, UntranslatedSegment
from speech_service.text import bcp47

Part = Literal["segments", "text", "translations"]
_PARTS: dict[str, tuple[Part, str]] = {
    "last_segment_id": ("segments", "StreamingRecognize, StreamingTranslate"),
    "channel_from_ms": ("segments", "StreamingRecognize, StreamingTranslate"),
    "from_char": ("text", "StreamingAlign"),
    "untranslated": ("translations", "StreamingTranslate"),
    "source_language": ("translations", "StreamingTranslate"),
}
"""Options that not every RPC has: which have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedResume:
    """What a client wrote. None: it left it out."""

    token: str
    from_ms: int = 0
    audio_from_ms: int | None = None
    channels_from_ms: tuple[int, ...] = ()
    last_segment_id: int = 0
    from_char: int = 0
    untranslated: tuple[UntranslatedSegment, ...] = ()
    source_language: str = ""

    @property
    def given(self) -> Collection[str]:
        """Options that are set, of those that not every RPC has."""
        values = {
            "last_segment_id": self.last_segment_id,
            "channel_from_ms": self.channels_from_ms,
            "from_char": self.from_char,
            "untranslated": self.untranslated,
            "source_language": self.source_language,
        }
        return [name for name, value in values.items() if value]


def resume_point(
    wanted: WantedResume,
    call: Call,
    tokens: ResumeTokens,
    parts: Collection[Part],
    *,
    separate_channels: bool = False,
) -> ResumePoint:
    """Where the session goes on; ``call`` notes which session that is. ``parts``: what the RPC has of its own.

    Raises:
        InvalidOptionError: a value contradicts another, or has no place in the RPC; or the token is none.
        LimitExceededError: a time is later than any session lasts.
        ResourceNotFoundError: the token is of somebody else.
    """
    tokens.read(wanted.token, call)
    for name in wanted.given:
        part, allowed = _PARTS[name]
        if part not in parts:
            raise InvalidOptionError(f"resume.{name}", "has no place in this call", allowed)
    _check_times(wanted, separate_channels=separate_channels)
    latest_ms = max(wanted.from_ms, *wanted.channels_from_ms, 0)
    if wanted.last_segment_id > latest_ms:
        problem = f"is {wanted.last_segment_id}, and {latest_ms} ms cannot hold as many segments"
        raise InvalidOptionError("resume.last_segment_id", problem, f"at most {latest_ms}")
    audio_from_ms = wanted.from_ms if wanted.audio_from_ms is None else wanted.audio_from_ms
    return ResumePoint(
        from_ms=wanted.from_ms,
        audio_from_ms=audio_from_ms,
        channels_from_ms=wanted.channels_from_ms,
        last_segment_id=wanted.last_segment_id,
        from_char=wanted.from_char,
        untranslated=tuple(_checked_segments(wanted)),
        source_language=_language(wanted.source_language, "resume.source_language"),
    )


def _checked_segments(wanted: WantedResume) -> Iterator[UntranslatedSegment]:
    newest = 0
    for index, segment in enumerate(wanted.untranslated):
        option = f"resume.untranslated[{index}]"
        if not newest < segment.segment_id <= wanted.last_segment_id:
            allowed = f"rising, 1 to last_segment_id ({wanted.last_segment_id})"
            raise InvalidOptionError(f"{option}.segment_id", f"is {segment.segment_id}", allowed)
        newest = segment.segment_id
        yield replace(segment, language=_language(segment.language, f"{option}.language"))


def _language(code: str, option: str) -> str:
    return code and bcp47.normalize(code[:65], option)


def _check_times(wanted: WantedResume, *, separate_channels: bool) -> None:
    from_ms, channels = wanted.from_ms, wanted.channels_from_ms
    if channels and not separate_channels:
        option, allowed = "resume.channel_from_ms", "nothing, or separate_channels"
        raise InvalidOptionError(option, "is given, and channels are mixed", allowed)
    if len(channels) > MAX_CHANNELS:
        raise LimitExceededError("resume.channel_from_ms", "max_channels", MAX_CHANNELS)
    times = {f"channel_from_ms[{index}]": ms for index, ms in enumerate(channels)}
    for name, ms in {"from_ms": from_ms, **times}.items():
        if ms > MAX_SESSION_MS:
            problem = "is later than any session lasts (49 days)"
            raise LimitExceededError(f"resume.{name}", "max_session_ms", MAX_SESSION_MS, problem)
        if ms < from_ms:
            problem, allowed = f"is {ms}, before from_ms", f"at least {from_ms}"
            raise InvalidOptionError(f"resume.{name}", problem, allowed)
    if wanted.audio_from_ms is not None and wanted.audio_from_ms > from_ms:
        problem = f"is {wanted.audio_from_ms}: the audio from from_ms on would be missing"
        raise InvalidOptionError("resume.audio_from_ms", problem, f"at most {from_ms}")
