"""What tenants may use: buckets that no clock breaks, calls at once, and who is charged."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.calls.quotas import Metered, Quotas, TokenBucket
from speech_service.config.tree import QuotaConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import QuotaExceededError
from speech_service.domain.events import LatencySummary, Usage
from speech_service.domain.principal import Principal

ACME, GLOBEX = Principal("acme", "web"), Principal("globex", "web")
WEB = Principal("acme", "web", account="web")


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Counts:
    """Counts refusals by quota."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        assert (name, value) == ("speech_quota_exceeded_total", 1.0)
        self.refused.append(labels["quota"])

    def observe(self, name: str, value: float, **labels: str) -> None:
        raise AssertionError(name)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        raise AssertionError(name)


class Bench:
    def __init__(self, **limits: float) -> None:
        self.clock, self.counts = Clock(), Counts()
        self.quotas = Quotas(QuotaConfig(**limits), self.counts, self.clock)  # pyright: ignore[reportArgumentType]

    def spend(self, who: Principal, audio_ms: int = 0, characters: int = 0) -> None:
        """A unary call from its beginning to its end."""
        call = call_of(who)
        with self.quotas.unary(call, Metered.AUDIO | Metered.CHARACTERS):
            usage = Usage(audio_in_ms=audio_ms, characters_in=characters)
            call.finished(usage, LatencySummary())


def call_of(who: Principal) -> Call:
    return Call("s.S", "M", "unary", "r", principal=who)


# --- buckets ----------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.floats(-3_600, 3_600), st.floats(0, 1_000)), min_size=1, max_size=60)


@given(st.floats(0.1, 10_000), STEPS)
def test_a_bucket_gives_no_more_than_its_minutes_whatever_the_clock_does(
    per_minute: float, steps: list[tuple[float, float]]
) -> None:
    clock = Clock()
    bucket = TokenBucket(per_minute, clock)
    taken = passed_s = 0.0
    for step_s, amount in steps:
        clock.now_s += step_s
        passed_s += max(0.0, step_s)
        allowed = per_minute * (1 + passed_s / 60)
        if bucket.wait_s() == 0:
            assert taken < allowed * (1 + 1e-9) + 1e-6
            bucket.take(amount)
            taken += amount


@given(st.floats(0.1, 10_000), st.floats(0, 100_000))
def test_who_waits_as_told_is_served(per_minute: float, amount: float) -> None:
    clock = Clock()
    bucket = TokenBucket(per_minute, clock)
    bucket.take(amount)
    wait_s = bucket.wait_s()
    assert (wait_s == 0) == (amount < per_minute)
    clock.now_s += wait_s
    assert bucket.wait_s() == 0
    clock.now_s += 60 * (1 + amount / per_minute)
    assert bucket.is_full


def test_another_limit_holds_from_now_on() -> None:
    clock = Clock()
    bucket = TokenBucket(60, clock)
    bucket.take(90)
    assert bucket.wait_s() == 31
    bucket.change(600)
    assert bucket.wait_s() == 4
    bucket.change(0)
    assert (bucket.wait_s(), bucket.is_full) == (0, True)
    bucket.change(60)
    assert bucket.wait_s() == 0
    bucket.change(10)
    bucket.take(11)
    assert bucket.wait_s() == 7


# --- calls ------------------------------------------------------------------------------------------


def test_calls_at_once_are_counted_by_tenant() -> None:
    bench = Bench(max_streams=2, max_unary=1)
    with ExitStack() as open_calls:
        for _ in range(2):
            open_calls.enter_context(bench.quotas.stream(call_of(ACME), Metered.AUDIO))
        with (
            pytest.raises(QuotaExceededError, match="as many streams open as it may") as caught,
            bench.quotas.stream(call_of(ACME), Metered.AUDIO),
        ):
            pass
        assert (caught.value.subject, caught.value.quota) == ("tenant:acme", "max_streams")
        with bench.quotas.stream(call_of(GLOBEX), Metered.AUDIO):
            pass
        open_calls.enter_context(bench.quotas.unary(call_of(ACME), Metered.AUDIO))
        with pytest.raises(QuotaExceededError, match="unary calls"):
            bench.spend(ACME)
    bench.spend(ACME)
    assert bench.counts.refused == ["max_streams", "max_unary"]


def test_what_was_used_beyond_the_minute_is_owed() -> None:
    bench = Bench(audio_s_per_minute=60)
    bench.spend(ACME, audio_ms=90_000)
    with pytest.raises(QuotaExceededError) as caught:
        bench.spend(ACME, audio_ms=1)
    assert caught.value.retry_after_ms == 31_000
    assert caught.value.metadata == {
        "quota": "audio_s_per_minute",
        "limit": "60",
        "subject": "tenant:acme",
    }
    bench.spend(GLOBEX, audio_ms=1)
    bench.clock.now_s += 31
    bench.spend(ACME, audio_ms=1)


def test_what_is_reserved_is_gone_for_others_and_comes_back_where_it_was_not_used() -> None:
    bench = Bench(audio_s_per_minute=60)
    calls = [call_of(ACME) for _ in range(4)]
    with ExitStack() as together:
        for call in calls:
            together.enter_context(bench.quotas.unary(call, Metered.AUDIO))  # all before any work
        calls[0].meter.reserve(Usage(audio_in_ms=40_000))
        calls[1].meter.reserve(Usage(audio_in_ms=40_000))  # there was something left
        with pytest.raises(QuotaExceededError) as caught:
            calls[2].meter.reserve(Usage(audio_in_ms=1))
        assert caught.value.retry_after_ms == 21_000
        calls[0].finished(Usage(audio_in_ms=10_000), LatencySummary())
        calls[1].meter.charge(Usage(audio_in_ms=20_000))  # of which nothing more is told: it failed
    for _ in range(2):
        bench.spend(ACME, audio_ms=15_000)
    with pytest.raises(QuotaExceededError):
        bench.spend(ACME, audio_ms=1)


def test_a_call_that_uses_more_than_it_reserved_pays_for_it() -> None:
    bench = Bench(characters_per_minute=60)
    call = call_of(ACME)
    with bench.quotas.unary(call, Metered.CHARACTERS):
        call.meter.reserve(Usage(characters_in=10))
        call.meter.reserve(Usage(characters_in=10))
        call.meter.charge(Usage(characters_in=50))
        call.finished(Usage(characters_in=60), LatencySummary())
    with pytest.raises(QuotaExceededError):
        bench.spend(ACME, characters=1)


def test_who_has_used_its_characters_may_still_be_heard() -> None:
    bench = Bench(characters_per_minute=10, audio_s_per_minute=60)
    bench.spend(ACME, characters=10)
    with bench.quotas.unary(call_of(ACME), Metered.AUDIO):
        pass
    with (
        pytest.raises(QuotaExceededError, match="10 characters per minute"),
        bench.quotas.unary(call_of(ACME), Metered.CHARACTERS),
    ):
        pass


def test_a_stream_is_charged_once_for_what_it_uses_as_it_goes_on() -> None:
    bench = Bench(audio_s_per_minute=10)
    call = call_of(ACME)
    with bench.quotas.stream(call, Metered.AUDIO) as meter:
        assert meter.is_on
        for audio_ms in (4_000, 4_000, 8_000):
            meter.charge(Usage(audio_in_ms=audio_ms))
            assert meter.exceeded() is None
        call.finished(Usage(audio_in_ms=9_000), LatencySummary())
    with bench.quotas.stream(call_of(ACME), Metered.AUDIO) as meter:
        meter.charge(Usage(audio_in_ms=1_000))
        error = meter.exceeded()
        assert error is not None
        assert error.quota == "audio_s_per_minute"
    assert bench.counts.refused == []


def test_a_key_with_quotas_of_its_own_is_bound_by_both() -> None:
    bench = Bench(max_streams=5)
    bench.quotas.change({("acme", "web"): QuotaConfig(max_streams=1)})
    with bench.quotas.stream(call_of(WEB), Metered.AUDIO):
        with (
            pytest.raises(QuotaExceededError) as caught,
            bench.quotas.stream(call_of(WEB), Metered.AUDIO),
        ):
            pass
        assert caught.value.subject == "key:acme/web"
        with bench.quotas.stream(call_of(ACME), Metered.AUDIO):
            pass


def test_quotas_are_raised_while_calls_are_open() -> None:
    bench = Bench(max_streams=1)
    with bench.quotas.stream(call_of(ACME), Metered.AUDIO):
        bench.quotas.change({("acme", ""): QuotaConfig(max_streams=2)})
        with bench.quotas.stream(call_of(ACME), Metered.AUDIO):
            pass
        bench.quotas.change({})
        with (
            pytest.raises(QuotaExceededError),
            bench.quotas.stream(call_of(ACME), Metered.AUDIO),
        ):
            pass


def test_voices() -> None:
    bench = Bench(max_voices=2)
    bench.quotas.check_voices("acme", 1)
    bench.quotas.check_voices("", 1_000)
    with pytest.raises(QuotaExceededError, match="delete one first"):
        bench.quotas.check_voices("acme", 2)


def test_nobody_is_charged_where_nobody_is_asked_who_calls() -> None:
    bench = Bench(max_streams=1, audio_s_per_minute=1)
    call = Call("s.S", "M", "bidi_stream", "r")
    with (
        bench.quotas.stream(call, Metered.AUDIO) as meter,
        bench.quotas.stream(call, Metered.AUDIO),
    ):
        meter.charge(Usage(audio_in_ms=100_000))
        assert not meter.is_on
        assert meter.exceeded() is None
