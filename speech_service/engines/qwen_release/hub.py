"""Where a checkpoint is: a folder, or a repository of the Hugging Face hub that is in the cache or is downloaded.

A repository that is complete in the cache is used as it is, without asking the network. Nothing here needs torch.
"""

# huggingface_hub declares its types in part only.
# pyright: reportUnknownVariableType=false

import json
import re
from pathlib import Path

from speech_service.engines.model_files import ModelFileError

HUB_TIMEOUT_S = 5.0
"""For one question to the hub. A machine without access learns so within seconds."""
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
CODEC_FOLDER = "speech_tokenizer"
"""Where a synthesizer's checkpoint holds that of its codec."""

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_WANTED = ("*.json", "*.safetensors", "*.txt", "*.jinja")
_BY_HAND = (
    f"Put config.json, {WEIGHTS} (or its shards and {WEIGHTS_INDEX}), tokenizer.json (or vocab.json and merges.txt) "
    "and tokenizer_config.json, with all subfolders of the release, into a folder and name that folder instead."
)


class CheckpointError(ModelFileError):
    """A checkpoint cannot be used: which one, what is wrong with it, and what to do.

    It may name the folder or repository as the operator configured it, hence it is for start-up and the command line.
    """

    from_package = False


def locate(source: str, revision: str = "") -> Path:
    """Folder of the checkpoint; a repository that is not in the cache is downloaded.

    Args:
        source: a folder, or the id of a hub repository ("Qwen/Qwen3-ASR-0.6B").
        revision: branch, tag or commit of the repository; empty: its main branch.

    Raises:
        CheckpointError: it is neither, or the hub does not give it.
    """
    found = _present(source, revision)
    if found is not None:
        return found
    from huggingface_hub import snapshot_download

    commit = _commit(source, revision)
    try:
        return Path(snapshot_download(source, revision=commit, allow_patterns=list(_WANTED)))
    except Exception as error:
        raise _not_downloaded(source, error) from error


def check_source(source: str, revision: str = "") -> Path | None:
    """The folder of the checkpoint where it is on this machine; None: the hub has it and it can be downloaded.

    Raises:
        CheckpointError: as :func:`locate`, within seconds.
    """
    found = _present(source, revision)
    if found is None:
        _commit(source, revision)
    return found


def _present(source: str, revision: str) -> Path | None:
    """Folder or complete cached repository; None: it would have to be downloaded."""
    if not source:
        raise CheckpointError("no checkpoint is named. Name a folder or a hub repository.")
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision:
            raise CheckpointError(
                f"checkpoint {source!r} is a folder, which has no revision {revision!r}."
            )
        return folder
    if not _REPOSITORY.fullmatch(source):
        raise CheckpointError(
            f"checkpoint {source!r} is not a folder, and not the id of a hub repository (owner/name)."
        )
    return _cached(source, revision)


def _cached(source: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(source, revision=revision or None, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    """Whether a download had ended: the weights are there, and those of the codec where the model has one."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if config.get("model_type") == "qwen3_tts" and not _is_complete(folder / CODEC_FOLDER):
            return False
        if (folder / WEIGHTS).is_file():
            return True
        index = json.loads((folder / WEIGHTS_INDEX).read_text("utf-8"))
        shards = set(index["weight_map"].values())
    except (OSError, ValueError, LookupError, AttributeError):
        return False
    return all((folder / shard).is_file() for shard in shards)


def _commit(source: str, revision: str) -> str:
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(source, revision=revision or None, timeout=HUB_TIMEOUT_S)
    except Exception as error:
        raise _not_downloaded(source, error) from error
    return info.sha or revision or "main"


def _not_downloaded(source: str, error: Exception) -> CheckpointError:
    why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return CheckpointError(
        f"checkpoint {source!r} is not on this machine and could not be downloaded ({why}). {_BY_HAND}"
    )
