"""Where a session goes on that an earlier call began. A session that begins anew goes on at ``BEGINNING``.

No server keeps anything of a session whose call is over: all that is here came from its client, so any server can take
it up. Times are milliseconds of session audio.
"""

from dataclasses import dataclass, field

from speech_service.domain.audio import ms_to_samples


@dataclass(frozen=True, slots=True)
class UntranslatedSegment:
    """A segment that was recognized and whose translations the client lacks. ``language``: BCP-47; empty: not known."""

    segment_id: int
    text: str = field(repr=False)
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """What is done, and where the audio begins that comes now."""

    from_ms: int = 0
    """Everything before it is done."""
    audio_from_ms: int = 0
    """The audio that comes begins here; what lies before ``from_ms`` is passed over."""
    channels_from_ms: tuple[int, ...] = ()
    """``from_ms`` of each channel; empty: it is that of all."""
    last_segment_id: int = 0
    """Newest segment that is done; 0: none is."""
    from_char: int = 0
    """Everything before it in the text is done, in code points."""
    untranslated: tuple[UntranslatedSegment, ...] = ()
    source_language: str = ""
    """BCP-47 code of the newest source; empty: not known."""

    def channel_from_ms(self, channel: int) -> int:
        """Everything of the channel before it is done."""
        return self.channels_from_ms[channel] if self.channels_from_ms else self.from_ms

    def known_samples(self, channel: int, position: int) -> int:
        """How much of a channel's audio behind sample ``position`` is done, at the model's rate."""
        return max(0, ms_to_samples(self.channel_from_ms(channel)) - position)


BEGINNING = ResumePoint()
