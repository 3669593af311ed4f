"""The caches: bounds, order of use, keys, statistics."""

from dataclasses import replace

from speech_service.calls.speech.audio_cache import (
    AudioCache,
    CacheStats,
    FinishedAudio,
    LruCache,
    VoicePromptCache,
    audio_key,
    prompt_key,
)
from speech_service.domain.events import (
    ContextTurn,
    SpeechChunk,
    SpeechTimings,
    SpokenUnit,
    StreamWarning,
)
from speech_service.domain.synthesis import (
    WORD_TIMINGS_UNAVAILABLE,
    LexiconEntry,
    OutputEncoding,
    OutputFormat,
    Segmentation,
    SynthesisOptions,
)

OPTIONS = SynthesisOptions("m", "v", OutputFormat(OutputEncoding.PCM_S16LE, 24_000))


def key(number: int) -> bytes:
    return bytes([number]) * 32


def test_what_was_used_longest_ago_goes_first() -> None:
    cache: LruCache[str] = LruCache(30, 10)
    for number in range(3):
        assert cache.put(key(number), str(number), 10)
    assert cache.get(key(0)) == "0"
    cache.put(key(3), "3", 10)
    assert [cache.get(key(n)) for n in range(4)] == ["0", None, "2", "3"]
    assert cache.stats() == CacheStats(3, 30, 30, hits=4, misses=1)


def test_entries_are_bounded() -> None:
    cache: LruCache[str] = LruCache(1_000, 2)
    for number in range(3):
        cache.put(key(number), str(number), 1)
    assert cache.stats().entries == 2
    assert cache.get(key(0)) is None


def test_a_value_replaces_the_one_of_its_key() -> None:
    cache: LruCache[str] = LruCache(100, 10)
    cache.put(key(1), "a", 60)
    cache.put(key(1), "b", 50)
    assert cache.get(key(1)) == "b"
    assert cache.stats().size_bytes == 50


def test_what_is_too_large_is_not_kept_and_evicts_nothing() -> None:
    cache: LruCache[str] = LruCache(100, 10)
    cache.put(key(1), "a", 60)
    assert not cache.put(key(2), "b", 101)
    assert cache.get(key(1)) == "a"


def test_clear_tells_what_went() -> None:
    cache: LruCache[str] = LruCache(100, 10)
    cache.put(key(1), "a", 60)
    assert cache.clear() == (1, 60)
    assert cache.clear() == (0, 0)
    assert cache.get(key(1)) is None


def test_off() -> None:
    cache = AudioCache(0, 10)
    assert not cache.is_on
    assert not cache.store(key(1), FinishedAudio(b"x", (), 1))
    assert cache.stats() == CacheStats(0, 0, 0, 0, 0)
    assert not AudioCache(10, 0).is_on


def test_everything_that_determines_the_audio_is_in_the_key() -> None:
    others = [
        replace(OPTIONS, model="n"),
        replace(OPTIONS, voice="w"),
        replace(OPTIONS, language="en"),
        replace(OPTIONS, speaking_rate=1.5),
        replace(OPTIONS, tempo=1.5),
        replace(OPTIONS, gain_db=1.0),
        replace(OPTIONS, seed=1),
        replace(OPTIONS, word_timings=True),
        replace(OPTIONS, segmentation=Segmentation.CLAUSE),
        replace(OPTIONS, lexicon=(LexiconEntry("a", "b"),)),
        replace(OPTIONS, output=OutputFormat(OutputEncoding.WAV, 24_000)),
        replace(OPTIONS, output=OutputFormat(OutputEncoding.PCM_S16LE, 16_000)),
        replace(OPTIONS, output=OutputFormat(OutputEncoding.PCM_S16LE, 24_000, True)),
        replace(OPTIONS, output=OutputFormat(OutputEncoding.MP3, 24_000, False, 32_000)),
    ]
    keys = {audio_key(options, "text", "") for options in (OPTIONS, *others)}
    assert len(keys) == len(others) + 1
    assert audio_key(OPTIONS, "text", "") == audio_key(replace(OPTIONS), "text", "")
    assert audio_key(OPTIONS, "text", "") != audio_key(OPTIONS, "text ", "")
    assert audio_key(OPTIONS, "text", "") != audio_key(OPTIONS, "text", "acme")
    assert len(audio_key(OPTIONS, "text", "")) == 32


def test_size_counts_audio_and_timings() -> None:
    chunk = SpeechChunk(ContextTurn(1, ""), 0, bytes(1_000), 0, 10)
    timings = SpeechTimings(ContextTurn(1, ""), (SpokenUnit("a", 0, 1, 0, 10),))
    audio = FinishedAudio(bytes(1_000), (chunk, timings), 10)
    assert audio.size_bytes > 2_000
    assert audio.timings == (timings,)


def test_prompts_are_found_by_content() -> None:
    cache = VoicePromptCache(1_000)
    assert cache.stats().capacity_bytes == 1_000
    wanted = prompt_key(b"audio", "hello", embedding_only=False, tenant="")
    cache.put(wanted, object(), 100)
    assert cache.get(prompt_key(b"audio", "hello", embedding_only=False, tenant="")) is not None
    for other in (
        prompt_key(b"audio!", "hello", embedding_only=False, tenant=""),
        prompt_key(b"audio", "hallo", embedding_only=False, tenant=""),
        prompt_key(b"audio", "hello", embedding_only=True, tenant=""),
        prompt_key(b"audio", "hello", embedding_only=False, tenant="acme"),
    ):
        assert cache.get(other) is None
    assert (cache.stats().hits, cache.stats().misses) == (1, 4)


def test_audio_whose_words_an_aligner_failed_to_find_is_not_kept() -> None:
    cache = AudioCache(1_000_000, 10)
    failed = FinishedAudio(
        b"x", (), 1, (StreamWarning(WORD_TIMINGS_UNAVAILABLE, "config.timing", "x"),)
    )
    other = FinishedAudio(b"x", (), 1, (StreamWarning("OTHER", "text", "x"),))
    assert (cache.store(b"1", failed), cache.store(b"2", other)) == (False, True)
    assert cache.finished(b"1") is None
