"""The stable prefix only grows, and covers whole words that hypotheses agree on."""

# ruff: noqa: RUF001 - scripts of many kinds are what is tested

import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from speech_service.sessions.recognition.stability import StablePrefix

WORDS = st.sampled_from(["a", "b", "wörld", "日本", "ab"])
HYPOTHESES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=15)


@given(HYPOTHESES, st.integers(2, 4))
def test_the_prefix_never_shrinks_or_changes(hypotheses: list[str], agreement: int) -> None:
    stable = StablePrefix(agreement)
    before = ""
    for hypothesis in hypotheses:
        count = stable.update(hypothesis)
        assert stable.text.startswith(before)
        if count is None:
            assert stable.text == before
            assert not hypothesis.startswith(before)
        else:
            assert hypothesis[:count] == stable.text
        before = stable.text


@given(st.lists(WORDS, min_size=2, max_size=8), st.integers(2, 4))
def test_agreement_on_everything_leaves_out_the_newest_word(
    words: list[str], agreement: int
) -> None:
    stable = StablePrefix(agreement)
    text = " ".join(words)
    counts = [stable.update(text) for _ in range(agreement)]
    assert counts[:-1] == [0] * (agreement - 1)
    assert counts[-1] == len(" ".join(words[:-1]))


def growth(text: str, step: int = 2, agreement: int = 3) -> list[int]:
    """Stable characters while the text grows by ``step`` characters with every hypothesis."""
    stable = StablePrefix(agreement)
    counts: list[int] = []
    for end in range(step, len(text) + step, step):
        count = stable.update(text[:end])
        if count is not None:
            counts.append(count)
    return counts


UNSPACED = {
    "Chinese": "今天天气很好我们一起去公园散步吧然后再去吃饭",
    "Chinese with marks": "今天天气很好，我们一起去公园。然后再去吃饭！",
    "Cantonese": "我哋今日去邊度食飯好呢不如去飲茶啦",
    "Japanese": "今日はとても天気がいいので公園へ散歩に行きましょう",
    "Thai": "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะกันเถอะ",
    "Lao": "ມື້ນີ້ອາກາດດີຫຼາຍພວກເຮົາໄປຍ່າງຫຼິ້ນຢູ່ສວນສາທາລະນະ",
    "Khmer": "ថ្ងៃនេះអាកាសធាតុល្អណាស់តោះទៅដើរលេងនៅសួនច្បារ",
    "Myanmar": "ဒီနေ့ရာသီဥတုသာယာတယ်ပန်းခြံမှာလမ်းလျှောက်ကြရအောင်",
    "Tibetan": "དེ་རིང་གནམ་གཤིས་ཡག་པོ་འདུག་ང་ཚོ་གླིང་ཁར་འགྲོ་གི་ཡིན",
    "Javanese": "ꦲꦤꦕꦫꦏꦢꦠꦱꦮꦭꦥꦝꦗꦪꦚꦩꦒꦧꦛꦔ",
    "Balinese": "ᬳᬦᬘᬭᬓᬤᬢᬲᬯᬮᬫᬕᬩᬗᬧᬚᬬᬜ",
    "mixed": "我用iPhone手机和MacBook电脑在2024年写的代码很好用",
    "katakana": "コンピューターサイエンスのクラスでプログラミング",
    "emoji": "太好了👩‍👩‍👧我们去公园👍🏽然后吃饭🇯🇵很好",
}


@pytest.mark.parametrize("text", UNSPACED.values(), ids=UNSPACED)
def test_text_without_spaces_becomes_stable_as_it_grows(text: str) -> None:
    counts = growth(text)
    assert counts == sorted(counts)
    assert counts[-1] >= len(text) // 2


@pytest.mark.parametrize("text", UNSPACED.values(), ids=UNSPACED)
def test_no_grapheme_cluster_is_ever_cut(text: str) -> None:
    ends = {match.end() for match in regex.finditer(r"\X", text)} | {0}
    for step in (1, 2, 3, 5):
        assert set(growth(text, step, agreement=2)) <= ends


@pytest.mark.parametrize(
    ("hypotheses", "expected"),
    [
        (["e", "e b", "e b"], "e"),
        (["cafe x", "cafe x", "cafe\u0301 x"], "cafe"),
        (["ก ข", "ก ข", "ก\u0e48 ข"], "ก"),
        (["👩 x", "👩 x", "👩\u200d👧 x"], "👩"),
        (["\u1112 x", "\u1112 x", "\u1112\u1161 x"], "\u1112"),
    ],
)
def test_a_prefix_whose_last_character_grows_is_not_shown(
    hypotheses: list[str], expected: str
) -> None:
    stable = StablePrefix(2)
    counts = [stable.update(text) for text in hypotheses]
    assert stable.text == expected
    grown = regex.findall(r"\X", hypotheses[-1][len(expected) - 1 :])[0]
    assert counts[-1] == (None if len(grown) > 1 else len(expected))


CHARACTERS = st.text(
    st.sampled_from("今日はกำลัง်្้កေမ áe\u0301\u200d👩👧한ᄒ\u1161\u11ab 2。،\u0600\r\n"), max_size=12
)


@given(st.lists(CHARACTERS, max_size=8), st.integers(2, 3))
def test_any_text_keeps_the_prefix_and_whole_characters(
    hypotheses: list[str], agreement: int
) -> None:
    stable, before = StablePrefix(agreement), ""
    for hypothesis in hypotheses:
        count = stable.update(hypothesis)
        assert stable.text.startswith(before)
        if count is not None:
            assert hypothesis[:count] == stable.text
            ends = {0, *(match.end() for match in regex.finditer(r"\X", hypothesis))}
            assert count in ends
        before = stable.text


def test_an_update_costs_time_in_proportion_to_its_text() -> None:
    def cost_s(length: int) -> float:
        stable, text = StablePrefix(2), "今日กำ " * length
        began_s = time.process_time()
        for _ in range(3):
            stable.update(text)
        return time.process_time() - began_s

    cost_s(10)
    assert min(cost_s(20_000) for _ in range(3)) < 60 * max(
        1e-4, min(cost_s(1_000) for _ in range(3))
    )


def test_a_word_is_stable_only_with_all_words_before_it() -> None:
    stable = StablePrefix(2)
    stable.update("x two three four")
    assert stable.update("y two three four") == 0
    assert stable.update("y two three four five") == len("y two three")


def test_a_contradiction_is_reported_and_forgiven_when_the_prefix_returns() -> None:
    stable = StablePrefix(2)
    assert [stable.update(text) for text in ("a b c", "a b c", "z", "a b c d")] == [0, 3, None, 3]


def test_a_longer_word_with_the_same_start_is_no_contradiction_of_characters() -> None:
    stable = StablePrefix(2)
    stable.update("a b")
    assert stable.update("a b") == 1
    assert stable.update("apple b") == 1  # the prefix counts characters
    assert stable.text == "a"
