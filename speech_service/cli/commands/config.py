"""``speech-service config``: the configuration in force, and where each value came from."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from speech_service.cli.streams import JsonLine
from speech_service.config.load import LoadedConfig, load_with_origins, to_mapping
from speech_service.config.reference import markdown, toml_value
from speech_service.config.tree import Config, ModelConfig, OneWorkerConfig, Settings


class SettingJson(JsonLine):
    """The value in force of the key that it stands under. The output is one object of all keys (`server.listen`)."""

    value: Any
    """The value; keys and passwords are hidden."""
    origin: str = msgspec.field(name="from")
    """Where it came from: `default`, a file, a variable of the environment, or an argument."""


JSON_LINES = (SettingJson,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="SECTION.KEY=VALUE",
        help="any setting, as serve takes it; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument(
        "--reference",
        action="store_true",
        help="every key with what is allowed, its default and its meaning, as Markdown",
    )


def run(given: argparse.Namespace) -> int:
    """Print the configuration or its reference.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if given.reference:
        print(reference(), end="")
        return 0
    loaded = load_with_origins(given.config, given.settings)
    values = _values(to_mapping(loaded.config))
    if given.json:
        shown = {key: SettingJson(value, _origin(loaded, key)) for key, value in values.items()}
        print(json.dumps(msgspec.to_builtins(shown), indent=2))
        return 0
    lines = [
        (f"{key} = {toml_value(value)}", _origin(loaded, key)) for key, value in values.items()
    ]
    width = min(60, max(len(line) for line, _ in lines))
    for line, origin in lines:
        print(f"{line:<{width}}  # {origin}")
    return 0


def reference() -> str:
    """Write the reference of all keys, options of backends included, as a page in Markdown."""
    from speech_service.engines import registry

    parts = [
        "# Configuration\n",
        "Every key, made from the types by `speech-service config --reference`. Set it in the TOML file, as "
        "`SPEECH_SECTION__KEY` in the environment, or with `--set section.key=value`; later ones win.\n",
        markdown(Config),
        "## Models\n",
        "The keys of each `[[models]]` entry.\n",
        markdown(ModelConfig),
        "## Workers\n",
        "The keys of each `[[workers]]` entry. `[worker]` holds for all of them.\n",
        markdown(OneWorkerConfig),
        "## Options of models\n",
        "Below `[models.options]` of a `[[models]]` entry with that `kind`.\n",
    ]
    for kind, options in registry.options_of_kinds().items():
        parts += [f"### `{kind}`\n", _options_table(options)]
    return "\n".join(parts)


def _options_table(options: type[Settings]) -> str:
    return markdown(options) if options.__struct_fields__ else "No options.\n"


def _values(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Dotted keys with their values; items of lists of tables are counted from 0."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{path}.{key}".lstrip(".")
        if isinstance(value, dict) and value:
            found |= _values(cast("dict[str, Any]", value), name)
        elif key == "models":
            models = cast("list[Any]", value)
            found |= _values({str(i): model for i, model in enumerate(models)}, name)
        else:
            found[name] = "(hidden)" if name.endswith(("_key", ".key")) else value
    return found


def _origin(loaded: LoadedConfig, key: str) -> str:
    """Give the source of a key: its own, or that of the table it lies in."""
    while key:
        if key in loaded.origins:
            return loaded.origins[key]
        key = key.rpartition(".")[0]
    return "default"
