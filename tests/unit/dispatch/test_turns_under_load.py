"""Models on one GPU under load: the service's scheduler, router and sessions on a virtual clock, steps as long as the
cost model of an H200 says (``benchmarks/simulate``).
"""

from dataclasses import replace

import pytest

from benchmarks.simulate.loads import Came, Load, simulate
from benchmarks.stats import percentile
from speech_service.dispatch.queue import Queued

pytestmark = pytest.mark.unit

LIVE, LISTENERS = 200, 40
ALONE = Load(LIVE, seconds=2.5, chunk_ms=192, speech_s=(1.5, 4.0), with_word_times=True)
BOTH = replace(ALONE, listeners=LISTENERS)


def p99_final_ms(came: Came) -> float:
    return percentile(came.heard.final_lags, 99) * 1000


def test_listeners_hear_without_a_gap_and_finals_are_as_soon_as_alone_where_both_share_a_gpu() -> (
    None
):
    alone, both = simulate(ALONE), simulate(BOTH)
    assert both.played.texts >= LISTENERS
    assert both.played.underruns == 0
    assert len(both.heard.final_lags) == len(alone.heard.final_lags) > LIVE
    assert p99_final_ms(both) <= 1.5 * p99_final_ms(alone)
    assert both.dropped_share <= 0.02, "partials come as they are due"
    assert both.heard.refined == len(both.heard.final_lags), "background work moves"


def test_the_same_load_comes_out_the_same() -> None:
    load = Load(10, 5, seconds=2.0)
    assert simulate(load) == simulate(load)


def test_who_has_heard_nothing_yet_is_admitted_before_what_others_hear_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session has two pieces on the device, so half of the slots are too few: some pieces wait."""
    load = Load(0, 128, seconds=1.0, spread_s=1.0)
    needed = simulate(load).played
    monkeypatch.setattr(Queued, "ahead_ms", 0)
    as_they_came = simulate(load).played
    assert needed.texts == as_they_came.texts >= 128
    assert needed.underruns == 0
    late_s = [percentile(played.first_audio, 95) for played in (needed, as_they_came)]
    assert late_s[0] <= 0.5 * late_s[1]


def test_listeners_are_silent_at_times_where_nobody_knows_what_they_have_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the test above can fail."""
    monkeypatch.setattr("speech_service.dispatch.policy.DRY_AUDIO_SHARE", 0.0)
    monkeypatch.setattr("speech_service.dispatch.audio_pace.AudioPace.next_audio_s", lambda *_: 0.0)
    assert simulate(BOTH).played.underruns > 0
