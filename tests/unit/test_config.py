"""Configuration: sources and their order, strictness, and errors that name the key."""

import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.config.load import decode_options, from_mapping, load_config, to_mapping
from speech_service.config.tree import (
    Config,
    ConfigError,
    ModelConfig,
    RecognitionConfig,
    ServerConfig,
    Settings,
    WorkerConfig,
)
from speech_service.engines import registry

SECTIONS = [f.name for f in msgspec.structs.fields(Config) if f.name not in ("models", "workers")]
LEAVES = [
    (section, field.name)
    for section in SECTIONS
    for field in msgspec.structs.fields(getattr(Config(), section))
    if isinstance(getattr(getattr(Config(), section), field.name), bool | int | float | str)
]
"""All but tables, which are set in the file."""


@pytest.fixture
def toml(tmp_path: Path) -> typing.Callable[[str], Path]:
    """Write a configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "speech.toml"
        path.write_text(text)
        return path

    return write


Toml = typing.Callable[[str], Path]


def test_without_sources_the_defaults_hold() -> None:
    assert load_config(environment={}) == Config()


def test_later_sources_win(toml: Toml) -> None:
    file = toml('[server]\nlisten = "file"\nadmin_listen = "file"\nmetrics_listen = "file"')
    environment = {"SPEECH_SERVER__ADMIN_LISTEN": "env", "SPEECH_SERVER__METRICS_LISTEN": "env"}
    config = load_config(file, ["server.metrics_listen=flag"], environment)
    server = config.server
    assert (server.listen, server.admin_listen, server.metrics_listen) == ("file", "env", "flag")


def test_the_environment_names_the_file_and_an_argument_wins(toml: Toml, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("server.max_streams = 7")
    environment = {"SPEECH_CONFIG": str(toml("server.max_streams = 3"))}
    assert load_config(environment=environment).server.max_streams == 3
    assert load_config(other, environment=environment).server.max_streams == 7


def test_other_variables_are_none_of_our_business() -> None:
    environment = {"PATH": "/bin", "SPEECH_DATA": "/x", "OTHER__THING": "1"}
    assert load_config(environment=environment) == Config()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("server.reflection=no", ServerConfig(reflection=False)),
        ("server.reuse_port=TRUE", ServerConfig(reuse_port=True)),
        ("server.max_streams=7", ServerConfig(max_streams=7)),
        ("server.drain_grace_s=1.5", ServerConfig(drain_grace_s=1.5)),
        ("server.listen=a=b", ServerConfig(listen="a=b")),
        ("worker.mode=inline", WorkerConfig(mode="inline")),
        ("recognition.max_segment_ms=9000", RecognitionConfig(max_segment_ms=9000)),
    ],
)
def test_text_becomes_the_type_of_the_key(override: str, expected: object) -> None:
    section = override.partition(".")[0]
    assert getattr(load_config(overrides=[override], environment={}), section) == expected


def test_models_come_from_the_file_and_flags_reach_into_them(toml: Toml) -> None:
    file = toml('[[models]]\nkind = "recognizer/fake"\n[models.options]\nword_ms = 250')
    config = load_config(file, ["models.0.name=mine"], {})
    assert config.models == (ModelConfig("recognizer/fake", "mine", {"word_ms": 250}),)


@pytest.mark.parametrize(
    ("text", "overrides", "environment", "key"),
    [
        ("nope = 1", [], {}, "nope"),
        ("server.nope = 1", [], {}, "server.nope"),
        ("", [], {"SPEECH_SERVER__NOPE": "1"}, "server.nope"),
        ("", ["server.nope=1"], {}, "server.nope"),
        ("", ["no_equals_sign"], {}, "--set no_equals_sign"),
        ("server = 3", [], {}, "server"),
        ("server = 3", ["server.listen=x"], {}, "server.listen"),
        ("server.listen = 5", [], {}, "server.listen"),
        ("server.max_streams = true", [], {}, "server.max_streams"),
        ('server.max_streams = "many"', [], {}, "server.max_streams"),
        ("server.max_streams = [1]", [], {}, "server.max_streams"),
        ("server.reflection = 5", [], {}, "server.reflection"),
        ("server.drain_grace_s = {}", [], {}, "server.drain_grace_s"),
        ("", ["worker.mode=thread"], {}, "worker.mode"),
        ("", [], {"SPEECH_OBSERVABILITY__LOG_LEVEL": "LOUD"}, "observability.log_level"),
        ("models = 5", [], {}, "models"),
        ("models = [5]", [], {}, "models[0]"),
        ('models = [{name = "x"}]', [], {}, "models[0]"),
        ('models = [{kind = "a"}, {kind = "b", nam = "x"}]', [], {}, "models[1].nam"),
        ('models = [{kind = "a", options = 1}]', [], {}, "models[0].options"),
        ('models = [{kind = "a"}]', ["models.7.kind=b"], {}, "models.7.kind"),
    ],
)
def test_an_error_begins_with_its_key(
    toml: Toml, text: str, overrides: list[str], environment: dict[str, str], key: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(toml(text), overrides, environment)
    assert str(caught.value).startswith(f"{key}:")


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"Known here: .*max_streams") as caught:
        load_config(overrides=["server.max_stream=1"], environment={})
    assert "server.max_stream:" in str(caught.value)


def test_a_wrong_choice_is_answered_with_the_allowed_ones() -> None:
    with pytest.raises(ConfigError, match="'thread' is not one of process, inline"):
        load_config(overrides=["worker.mode=thread"], environment={})


def test_files_that_cannot_be_read_are_named(toml: Toml, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load_config(tmp_path / "absent.toml", environment={})
    with pytest.raises(ConfigError, match=r"speech\.toml: not valid TOML"):
        load_config(toml("server = ["), environment={})


@pytest.mark.parametrize(("section", "name"), LEAVES)
def test_every_key_can_be_set_from_text_and_survives_the_round_trip(
    section: str, name: str
) -> None:
    default = getattr(getattr(Config(), section), name)
    kind = typing.get_type_hints(type(getattr(Config(), section)))[name]
    match default:
        case bool():
            text, value = str(not default), not default
        case int():
            text, value = str(default + 3), default + 3
        case float():
            value = default / 2 or 0.5
            text = str(value)
        case _:
            choices = typing.get_args(kind)
            value = text = choices[-1] if choices else "other"
    environment = {f"SPEECH_{section}__{name}".upper(): text}
    config = load_config(environment=environment)
    assert getattr(getattr(config, section), name) == value
    assert from_mapping(to_mapping(config)) == config


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(
            ModelConfig,
            kind=st.text(max_size=8),
            name=st.text(max_size=8),
            options=st.dictionaries(
                st.text(min_size=1, max_size=5), st.one_of(st.integers(), st.text(), st.booleans())
            ),
        ),
        max_size=3,
    ),
    st.integers(min_value=0, max_value=2**63),
    st.floats(min_value=0.0, allow_nan=False, allow_infinity=False),
)
def test_any_tree_survives_the_round_trip(
    models: list[ModelConfig], streams: int, grace_s: float
) -> None:
    server = ServerConfig(max_streams=streams, drain_grace_s=grace_s)
    config = Config(server=server, models=tuple(models))
    assert from_mapping(to_mapping(config)) == config


class Options(Settings, frozen=True):
    """Of a backend."""

    words: tuple[str, ...] = ()
    limit: int | None = None


def test_options_of_a_backend_are_decoded_as_strictly() -> None:
    assert decode_options(Options, {"words": "a, b", "limit": "3"}, "x") == Options(("a", "b"), 3)
    assert decode_options(Options, {"limit": None}, "x") == Options()
    with pytest.raises(ConfigError, match=r"^models\[0\]\.options\.word: unknown key"):
        decode_options(Options, {"word": 1}, "models[0].options")


@pytest.mark.parametrize("value", ["1.5", "nan", "inf", "-3", "-inf"])
def test_a_count_is_a_whole_finite_number_from_0_up(value: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.max_streams"):
        load_config(overrides=[f"server.max_streams={value}"], environment={})


def test_niceness_may_be_negative() -> None:
    assert load_config(overrides=["worker.nice=-5"], environment={}).worker.nice == -5


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "speech.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"speech\.toml"):
        load_config(file, environment={})


@pytest.mark.parametrize("kind", ["aligner/pocketsphinx", "translator/openai"])
def test_an_option_that_counts_on_both_sides_of_zero_may_be_negative(kind: str) -> None:
    key = {"aligner/pocketsphinx": "min_score", "translator/openai": "temperature"}[kind]
    options = decode_options(registry.options_of_kinds()[kind], {key: -1.5}, "models.0.options")
    assert getattr(options, key) == -1.5
