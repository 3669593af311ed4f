"""What the synthesis benchmarks compute from what they saw; their texts."""

import pytest

from benchmarks.synthesis_cache import within_percent
from benchmarks.synthesis_client import Arrival, Heard
from benchmarks.synthesis_streams import Load, playback_leads_ms
from benchmarks.synthesis_texts import PARAGRAPHS, SENTENCES, TWENTY_WORDS
from benchmarks.wer import normalise

SECOND_LATE = Heard(
    asked=10.0,
    arrivals=[Arrival(10.05, 0, 250), Arrival(10.20, 250, 250), Arrival(10.65, 500, 250)],
    ended=10.7,
)


def test_playback_starts_with_the_first_audio() -> None:
    """Played from 10.05 on, the second piece is due at 10.30 and the third at 10.55: 100 ms before it came."""
    assert playback_leads_ms(SECOND_LATE) == pytest.approx([100.0, -100.0])
    load = Load(1, "spread", lead=playback_leads_ms(SECOND_LATE))
    assert load.underruns == 1
    assert load.summary()["least_lead_ms"] == pytest.approx(-100.0)
    assert playback_leads_ms(Heard()) == []


def test_what_was_heard() -> None:
    assert SECOND_LATE.first_audio_ms == pytest.approx(50.0)
    assert SECOND_LATE.total_ms == pytest.approx(700.0)
    assert SECOND_LATE.audio_ms == 750


def test_share_of_fast_calls_is_that_of_the_interval_and_the_rpc() -> None:
    own = 'grpc_method="Synthesize",grpc_service="speech.v1.SynthesisService",grpc_type="unary"'
    other = own.replace("Synthesize", "GetVoice")
    bucket, count = "grpc_server_handling_seconds_bucket", "grpc_server_handling_seconds_count"
    before = {f'{bucket}{{{own},le="0.001"}}': 2.0, f"{count}{{{own}}}": 10.0}
    after = {
        f'{bucket}{{{own},le="0.001"}}': 5.0,
        f'{bucket}{{{own},le="0.005"}}': 14.0,
        f"{count}{{{own}}}": 14.0,
        f'{bucket}{{{other},le="0.001"}}': 90.0,
        f"{count}{{{other}}}": 90.0,
    }
    assert within_percent(before, after) == pytest.approx(75.0)
    with pytest.raises(RuntimeError, match="count no Synthesize call"):
        within_percent(after, after)


def test_texts_are_what_the_figures_say() -> None:
    assert len(set(SENTENCES)) == 30
    assert not any(char.isdigit() for text in SENTENCES for char in text)
    assert [len(normalise(text)) for text in TWENTY_WORDS] == [20] * len(TWENTY_WORDS)
    assert " ".join(PARAGRAPHS) == " ".join(SENTENCES)
