"""The openai translator against a server that answers badly, slowly, or not at all."""

import gc
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from speech_service.config.tree import ConfigError
from speech_service.domain.errors import (
    DeadlineError,
    PreconditionError,
    UnavailableError,
)
from speech_service.domain.translation import GlossaryEntry
from tests.contract.translation_server import (
    SECRET,
    Question,
    Reply,
    as_json,
    good,
    serving,
    translated,
)
from tests.contract.translators import done, failed, open_ai, work_of

# --- a server that answers badly ---

TEXTS = [f"This is text number {i}." for i in range(7)]
Mangle = Callable[[Question], str]


def fenced(question: Question) -> str:
    return f"```json\n{good(question).content}\n```"


def with_prose(question: Question) -> str:
    return f"Sure! Here are the translations:\n\n{good(question).content}\n\nI hope this helps."


def reordered(question: Question) -> str:
    pairs = {n: translated(text) for n, text in question.texts.items()}
    return as_json(dict(reversed(pairs.items())))


def truncated(question: Question) -> str:
    content = good(question).content or ""
    return content[: max(1, len(content) * 2 // 3)] if len(question.texts) > 1 else content


def one_too_few(question: Question) -> str:
    pairs = {n: translated(text) for n, text in question.texts.items()}
    if len(pairs) > 1:
        del pairs[max(pairs)]
    return as_json(pairs)


def too_many(question: Question) -> str:
    pairs = {n: translated(text) for n, text in question.texts.items()}
    return as_json({**pairs, 99: "one more", 0: "zero"})


def short_list(question: Question) -> str:
    return json.dumps([translated(text) for text in question.texts.values()][:-1] or ["x"] * 3)


def numbered_lines(question: Question) -> str:
    return "\n".join(f"{n}. {translated(text)}" for n, text in question.texts.items())


def list_of_objects(question: Question) -> str:
    items = [{"id": n, "translation": translated(t)} for n, t in question.texts.items()]
    return json.dumps({"translations": items[::-1]})


def doubled(question: Question) -> str:
    first = next(iter(question.texts.values()))
    content = as_json({n: translated(text) for n, text in question.texts.items()})
    if len(question.texts) == 1:
        return content
    return content.replace("{", f'{{"1": "something else than {first}", ', 1)


def thinking(question: Question) -> str:
    return f'<think>Maybe {{"1": "wrong"}}?</think>\n{good(question).content}'


def empty_for_batches(question: Question) -> str:
    return "" if len(question.texts) > 1 else good(question).content or ""


def prose_for_all_but_plain(question: Question) -> str:
    return "I cannot do that." if not question.is_plain else good(question).content or ""


MANGLED: Sequence[Mangle] = (
    fenced, with_prose, reordered, truncated, one_too_few, too_many, short_list, numbered_lines, list_of_objects,
    doubled, thinking, empty_for_batches, prose_for_all_but_plain,
)  # fmt: skip


@pytest.mark.parametrize("mangle", MANGLED, ids=lambda mangle: mangle.__name__)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_text_survives_a_mangled_answer(mangle: Mangle, streaming: bool) -> None:
    def behaviour(question: Question) -> Reply:
        if question.is_plain:
            return Reply(translated(question.user))
        return Reply(mangle(question))

    with serving(behaviour) as server:
        engine = open_ai(server.url, streaming=streaming)
        result = done(engine, work_of(TEXTS))
        engine.close()
    assert result.texts == tuple(map(translated, TEXTS))
    assert not result.failed


@pytest.mark.parametrize(
    "content", ["", "Sorry, I can't.", "{}", "[]", "null", "```", '{"1": 5}', '{"1": ""}']
)
def test_rubbish_for_one_text_leaves_the_others(content: str) -> None:
    def behaviour(question: Question) -> Reply:
        if any("number 3" in text for text in question.texts.values()):
            return Reply(content if not question.is_plain else "one\n\ntwo\n\nthree")
        return good(question)

    with serving(behaviour) as server:
        engine = open_ai(server.url)
        result = done(engine, work_of(TEXTS))
        engine.close()
    assert result.failed == {3: "TRANSLATOR_USELESS_ANSWER"}
    expected = [translated(text) if i != 3 else "" for i, text in enumerate(TEXTS)]
    assert list(result.texts) == expected


def test_rubbish_for_all_ends_soon() -> None:
    with serving(lambda question: Reply("no")) as server:
        engine = open_ai(server.url, max_useless_answers=5, batch_texts=3)
        error = failed(engine, work_of([f"Text {i}. Of a long list" for i in range(300)]))
        engine.close()
        assert len(server.questions) < 20
    assert error.reason == "TRANSLATOR_USELESS_ANSWER"


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[1]", b'{"choices": []}', b"\xff\xfe", b"[" * 100_000]
)
def test_an_answer_that_is_no_chat_answer_is_a_useless_one(raw: bytes) -> None:
    with serving(lambda question: Reply(raw=raw)) as server:
        engine = open_ai(server.url)
        assert failed(engine, work_of(["Hello there"])).reason == "TRANSLATOR_USELESS_ANSWER"
        engine.close()


# --- a server that fails ---


@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_a_server_that_recovers_is_asked_again(status: int) -> None:
    def behaviour(question: Question) -> Reply:
        return Reply(status=status) if question.count == 0 else good(question)

    with serving(behaviour) as server:
        engine = open_ai(server.url)
        assert done(engine, work_of(["Hello"])).texts == (translated("Hello"),)
        engine.close()


def test_retry_after_is_honoured() -> None:
    times_s: list[float] = []

    def behaviour(question: Question) -> Reply:
        times_s.append(time.monotonic())
        busy = Reply(status=429, headers={"retry-after": "1"})
        return busy if question.count == 0 else good(question)

    with serving(behaviour) as server:
        engine = open_ai(server.url)
        done(engine, work_of(["Hello"]))
        engine.close()
    assert times_s[1] - times_s[0] > 0.95


def test_a_server_that_stays_down_is_unavailable_and_says_when_to_try_again() -> None:
    with serving(lambda question: Reply(status=503)) as server:
        engine = open_ai(server.url, max_retries=1)
        error = failed(engine, work_of(["Hello", "Bye"]))
        engine.close()
        assert len(server.questions) == 2
    assert isinstance(error, UnavailableError)
    assert error.retry_after_ms >= 1000
    assert SECRET not in str(error)


def test_no_server_at_all() -> None:
    with serving() as server:
        url = server.url
    engine = open_ai(url, max_retries=1)
    error = failed(engine, work_of(["Hello"]))
    engine.close()
    assert isinstance(error, UnavailableError)
    assert "127.0.0.1" not in str(error)


def test_a_dropped_connection_is_tried_again() -> None:
    def behaviour(question: Question) -> Reply:
        return Reply(drop=True) if question.count == 0 else good(question)

    with serving(behaviour) as server:
        engine = open_ai(server.url)
        assert not done(engine, work_of(["Hello"])).failed
        engine.close()


def test_what_was_translated_before_the_server_died_is_kept() -> None:
    def behaviour(question: Question) -> Reply:
        return good(question) if question.count == 0 else Reply(status=500)

    with serving(behaviour) as server:
        engine = open_ai(server.url, batch_texts=3, max_retries=0, max_requests=1)
        result = done(engine, work_of(TEXTS))
        engine.close()
    assert result.failed == dict.fromkeys([3, 4, 5, 6], "TRANSLATOR_UNAVAILABLE")
    assert list(result.texts[:3]) == [translated(text) for text in TEXTS[:3]]


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_wrong_key_or_address_is_said_to_be_one(status: int) -> None:
    with serving(lambda question: Reply(status=status)) as server:
        engine = open_ai(server.url)
        error = failed(engine, work_of(["Hello"]))
        engine.close()
        assert len(server.questions) == 1
    assert isinstance(error, PreconditionError)
    assert error.reason == "TRANSLATOR_MISCONFIGURED"
    assert SECRET not in str(error)


def test_a_question_that_is_too_long_is_made_smaller() -> None:
    def behaviour(question: Question) -> Reply:
        return Reply(status=400) if len(question.texts) > 2 else good(question)

    with serving(behaviour) as server:
        engine = open_ai(server.url)
        assert done(engine, work_of(TEXTS)).texts == tuple(map(translated, TEXTS))
        engine.close()


def test_the_clients_deadline_is_kept() -> None:
    with serving(lambda question: Reply(is_held=True)) as server:
        engine = open_ai(server.url)
        error = failed(engine, work_of(["Hello"], deadline_s=time.monotonic() + 0.3))
        engine.close()
    assert isinstance(error, DeadlineError)


def test_a_slow_server_times_out_and_the_deadline_of_the_options_ends_it() -> None:
    with serving(lambda question: Reply(is_held=True)) as server:
        engine = open_ai(server.url, timeout_s=0.2, deadline_s=1.0)
        assert isinstance(failed(engine, work_of(["Hello"])), UnavailableError)
        engine.close()


def test_a_slow_item_holds_up_no_other_and_is_aborted_at_once() -> None:
    def behaviour(question: Question) -> Reply:
        is_slow = any("slow" in text for text in question.texts.values())
        return replace(good(question), is_held=is_slow)

    with serving(behaviour) as server:
        engine = open_ai(server.url)
        engine.admit(work_of(["a slow one"], work_id="slow"))
        assert done(engine, work_of(["Hello"])).texts == (translated("Hello"),)
        engine.step()
        engine.abort("slow")
        assert list(engine.step()) == []
        engine.close()


def test_requests_at_once_are_bounded() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def behaviour(question: Question) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return good(question)

    with serving(behaviour) as server:
        engine = open_ai(server.url, max_requests=3, batch_texts=1)
        done(engine, work_of([f"Text {i}" for i in range(12)]))
        engine.close()
    assert most == 3


def test_what_the_server_is_asked(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("s3cret\n")
    with serving() as server:
        engine = open_ai(server.url + "/", api_key_file=str(key_file), temperature=0.0)
        glossary = [GlossaryEntry("dog", target="cão"), GlossaryEntry("cat", target="gato")]
        done(
            engine, work_of(["The dog."], target="pt-BR", glossary=glossary, context="A pet shop.")
        )
        engine.close()
        question = server.questions[0]
    assert question.headers["authorization"] == "Bearer s3cret"
    assert question.body["model"] == "small"
    assert question.body["temperature"] == 0.0
    assert question.body["max_tokens"] > 0
    assert "Brazilian Portuguese (pt-BR)" in question.instructions
    assert "'dog' as 'cão'" in question.instructions
    assert "gato" not in question.instructions
    assert "A pet shop." in question.instructions


def test_a_lost_term_is_asked_for_again_and_then_told() -> None:
    def behaviour(question: Question) -> Reply:
        texts = {n: text.replace("dog", "bicho") for n, text in question.texts.items()}
        return Reply(texts[0] if question.is_plain else as_json(texts))

    glossary = [GlossaryEntry("cat", target="gato"), GlossaryEntry("dog", target="cão")]
    with serving(behaviour) as server:
        engine = open_ai(server.url)
        result = done(engine, work_of(["Hello.", "The dog."], glossary=glossary))
        engine.close()
        assert len(server.questions) == 3
    assert result.texts == ("Hello.", "The bicho.")
    assert result.lost_terms == [(1, 1)]


def test_the_thread_goes_with_its_engine() -> None:
    def names() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name == "openai-translator"]

    before = len(names())
    with serving() as server:
        engine = open_ai(server.url)
        done(engine, work_of(["Hello"]))
        assert len(names()) == before + 1
        del engine
        gc.collect()
    assert len(names()) == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "ftp://x/v1"}, "base_url"),
        ({"base_url": "http://me:pw@x/v1"}, "base_url"),
        ({"model": ""}, "model"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"api_key_file": "/nonexistent/key"}, "api_key_file"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        open_ai("http://127.0.0.1:1/v1", **options)
