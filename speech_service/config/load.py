"""How the configuration is read: once, at start-up, into one frozen tree.

Sources, later ones win: defaults < TOML file < environment < command-line ``--set section.key=value``.
An environment variable ``SPEECH_SERVER__LISTEN`` sets ``server.listen`` (two underscores between levels).
Unknown keys and values of the wrong type fail before anything is loaded, and name the key and where it was set.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from speech_service.config.environment import ENV_API_KEY, ENV_SERVER, process_environment
from speech_service.config.kinds import at, described, is_list, is_switch, known_keys
from speech_service.config.tree import Config, ConfigError

T = TypeVar("T")

ENV_PREFIX = "SPEECH_"
ENV_CONFIG_FILE = "SPEECH_CONFIG"
_OWN_VARIABLES = (ENV_CONFIG_FILE, ENV_SERVER, ENV_API_KEY)
_CLOSE = 0.93
"""How alike (0 to 1) a variable must be to a setting to be taken for it."""
_SWITCH_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_PLACE = " - at `$"
"""Stands between what msgspec found and where; the place ends in a backtick."""
_UNKNOWN = "Object contains unknown field `"
_MISSING = "Object missing required field `"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The configuration in force, and for each key that a source set, which one did."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> "the file PATH", "the environment variable NAME" or "the command line".
    A key that is absent has its default."""


def load_config(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read the configuration; see :func:`load_with_origins`."""
    return load_with_origins(file, overrides, environment).config


def load_with_origins(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Build the tree from a TOML file, the environment and ``section.key=value`` overrides.

    Args:
        file: TOML file; None reads the one that ``SPEECH_CONFIG`` names, if any.
        overrides: command-line settings.
        environment: what to read instead of the process environment (tests).

    Raises:
        ConfigError: a key is unknown, a value has the wrong type, or the file cannot be read.
    """
    env = dict(process_environment() if environment is None else environment)
    _reject_near_misses(env)
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = _file(file, env)
    if path is not None:
        tree = _read_toml(path)
        origins.update(dict.fromkeys(_leaves(tree), f"the file {path}"))
    for name, value in env.items():
        if name.startswith(ENV_PREFIX) and "__" in name:
            keys = name.removeprefix(ENV_PREFIX).lower().split("__")
            _put(tree, keys, value)
            origins[".".join(keys)] = f"the environment variable {name}"
    for item in overrides:
        dotted, sep, value = item.partition("=")
        if not sep:
            raise ConfigError(f"--set {item}: write it as section.key=value")
        keys = dotted.strip().split(".")
        _put(tree, keys, value)
        origins[".".join(keys)] = "the command line"
    return LoadedConfig(_convert(Config, tree, "", origins), origins)


def asks_for_json(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> bool:
    """Whether logs are to be JSON lines, by sources of which another part may be wrong."""
    env = process_environment() if environment is None else environment
    for item in reversed(overrides):
        if item.startswith("observability.log_format="):
            return item.partition("=")[2] == "json"
    for name, value in env.items():
        if name.upper() == f"{ENV_PREFIX}OBSERVABILITY__LOG_FORMAT":
            return value == "json"
    path = _file(file, env)
    try:
        section = _read_toml(path).get("observability") if path is not None else None
    except ConfigError:  # nothing of it can be read
        return False
    return isinstance(section, dict) and cast("Any", section).get("log_format") == "json"


def to_mapping(config: Config) -> dict[str, Any]:
    """Give the tree as plain values; :func:`from_mapping` of it gives the tree back (a worker gets it that way)."""
    return cast("dict[str, Any]", msgspec.to_builtins(config))


def from_mapping(tree: Mapping[str, Any]) -> Config:
    """Invert :func:`to_mapping`."""
    return _convert(Config, tree, "", {})


def decode_options(options_type: type[T], raw: Mapping[str, object], path: str) -> T:
    """Decode a backend's raw options strictly into its own type.

    Args:
        options_type: the backend's ``Options``.
        raw: what the configuration says.
        path: key of ``raw`` in the configuration, for messages.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return _convert(options_type, raw, path, {})


def _convert(kind: type[T], tree: Mapping[str, Any], path: str, origins: Mapping[str, str]) -> T:
    plain = {key: _from_text(kind, (key,), value) for key, value in tree.items()}
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ConfigError):  # a type's own check of its values together
            raise error.__cause__ from None
        raise _explained(str(error), kind, tree, path, origins) from error


def _from_text(root: Any, keys: tuple[str | int, ...], value: Any) -> Any:
    """Read what text may say of switches (yes, off) and of lists (a, b); everything else is msgspec's to read."""
    if isinstance(value, Mapping):
        table = cast("Mapping[str, Any]", value)
        return {key: _from_text(root, (*keys, key), item) for key, item in table.items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_from_text(root, (*keys, i), item) for i, item in enumerate(items)]
    if isinstance(value, str):
        kind = at(root, keys)
        if is_switch(kind):
            return _SWITCH_WORDS.get(value.lower(), value)
        if is_list(kind):
            return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _explained(
    problem: str, kind: Any, tree: Mapping[str, Any], path: str, origins: Mapping[str, str]
) -> ConfigError:
    """Say what msgspec found as we say it: the key, what was given, what is allowed, who said it."""
    what, _, where = problem.partition(_PLACE)
    where = where.removeprefix(".").removesuffix("`")
    keys = tuple(int(k) if k.isdigit() else k for k in re.findall(r"[^.\[\]]+", where))
    name = what.rpartition("field `")[2].removesuffix("`")
    if what.startswith(_UNKNOWN):
        key = _joined(path, (*keys, name))
        known = ", ".join(known_keys(at(kind, keys)))
        return ConfigError(f"{key}: unknown key. Known here: {known}{_origin(key, origins)}")
    key = _joined(path, keys)
    if what.startswith(_MISSING):
        return ConfigError(f"{key or 'configuration'}: needs {name}{_origin(key, origins)}")
    allowed, given = described(at(kind, keys)), _given(tree, keys)
    shown = "a table" if isinstance(given, Mapping) else repr(given)
    return ConfigError(f"{key or 'configuration'}: {shown} is not {allowed}{_origin(key, origins)}")


def _joined(path: str, keys: Sequence[str | int]) -> str:
    text = path
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _origin(key: str, origins: Mapping[str, str]) -> str:
    origin = origins.get(re.sub(r"\[(\d+)\]", r".\1", key))
    return f" (from {origin})" if origin else ""


def _given(tree: Any, keys: Sequence[str | int]) -> Any:
    for key in keys:
        tree = tree[key]
    return tree


def _reject_near_misses(env: Mapping[str, str]) -> None:
    """Refuse a variable that is a setting but for its underscores: it would be ignored without a word.

    Others are left alone: Kubernetes puts ``SPEECH_SERVICE_HOST`` and the like into every container beside a service
    called "speech".
    """
    names = [
        name
        for name in env
        if name.startswith(ENV_PREFIX) and "__" not in name and name not in _OWN_VARIABLES
    ]
    meant = _variables_by_one_underscore() if names else {}
    for name in names:
        close = difflib.get_close_matches(name.upper(), meant, 1, _CLOSE)
        if close:
            raise ConfigError(
                f"{name}: is no setting. Did you mean {meant[close[0]]}? Two underscores stand between section and key"
            )


def _variables_by_one_underscore() -> dict[str, str]:
    """Map ``SPEECH_SERVER_LISTEN`` to ``SPEECH_SERVER__LISTEN``, for every setting."""
    return {
        f"{ENV_PREFIX}{section}_{key}".upper(): f"{ENV_PREFIX}{section}__{key}".upper()
        for section in known_keys(Config)
        for key in known_keys(at(Config, (section,)))
    }


def _leaves(tree: Any, path: str = "") -> list[str]:
    """Give the dotted keys of all values; items of a list are counted from 0."""
    if isinstance(tree, Mapping):
        items: Any = cast("Mapping[str, Any]", tree).items()
    elif isinstance(tree, list):
        items = enumerate(cast("list[Any]", tree))
    else:
        return [path]
    return [leaf for key, item in items for leaf in _leaves(item, f"{path}.{key}".lstrip("."))]


def _file(file: Path | None, env: Mapping[str, str]) -> Path | None:
    return file or (Path(env[ENV_CONFIG_FILE]) if env.get(ENV_CONFIG_FILE) else None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _put(tree: dict[str, Any], keys: Sequence[str], value: str) -> None:
    node: Any = tree
    for key in keys[:-1]:
        if isinstance(node, list) and key.isdigit() and int(key) < len(cast(list[Any], node)):
            node = cast(list[Any], node)[int(key)]
            continue
        if not isinstance(node, dict):
            raise ConfigError(f"{'.'.join(keys)}: {key} is not a section")
        node = cast(dict[str, Any], node).setdefault(key, {})
    if not isinstance(node, dict):
        raise ConfigError(f"{'.'.join(keys)}: not a section")
    node[keys[-1]] = value
