"""Models as files: written whole or not at all, and read without running code from them."""

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from course_utils.files import PACKAGE, write_whole
from course_utils.models import MODELS

if TYPE_CHECKING:
    from course_utils.training.loop import History

KEYS = {"format", "model", "options", "weights", "rows", "training_state"}  # of a checkpoint
SEAL = b"\nsha256 "  # before the sum at the end of the file; readers of zip archives skip both
CHECKPOINTS = PACKAGE / "checkpoints"  # those that travel with the package


class CheckpointError(ValueError):
    """The file is no checkpoint of the course, is damaged, or belongs to another model or plan."""


# What rebuilding from a file with missing or unfit contents raises.
UNFIT = (AttributeError, KeyError, RuntimeError, TypeError, ValueError)


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    history: "History | None" = None,
    training_state: dict | None = None,
    half: bool = False,
) -> None:
    """Write a model of `models.MODELS` to a file, whole or not at all.

    Args:
        path: the file; its folder is made when missing.
        history: rows to keep, and the training state to resume from.
        training_state: overrides the one in `history`.
        half: store weights in half precision and no training state: small, for committed files.
    Raises:
        ValueError: for a model that `load_checkpoint` could not rebuild.
        OSError: when the file cannot be written; an older file of that name is then untouched.
    """
    check_savable(model)
    state = training_state or (history.training_state if history else None)
    weights = {k: v.half() if half else v for k, v in model.state_dict().items()}
    content = {
        "format": 1,
        "model": type(model).__name__,
        "options": model.options,
        "weights": weights,
        "rows": history.rows if history else [],
        "training_state": None if half else state,
    }
    buffer = io.BytesIO()  # torch.save on a file hides why writing failed
    torch.save(content, buffer)
    body, path = buffer.getvalue(), Path(path).expanduser()
    file = body + SEAL + hashlib.sha256(body).hexdigest().encode()
    _content_of(file, path)  # what could not be read again replaces nothing
    write_whole(path, file)


def load_checkpoint(path: str | Path) -> nn.Module:
    """Rebuild a model from a file of `save_checkpoint`: float32, on the CPU, in evaluation mode.

    Args:
        path: the file, or the name of a model that travels with the package: `"mnist-vae-20"`.

    Never executes code from the file: torch reads plain tensors, numbers and strings only, and the
    class is looked up in `models.MODELS`.

    Raises:
        FileNotFoundError: when there is no such file.
        CheckpointError: when the file is damaged, hostile or no checkpoint of this course.
    """
    content = read_checkpoint(path)
    try:
        model = MODELS[content["model"]](**content["options"])
        model.load_state_dict({k: v.float() for k, v in content["weights"].items()})
    except UNFIT as error:
        raise CheckpointError(f"{path}: does not fit any model of the course: {error}") from error
    return model.eval()


def read_checkpoint(path: str | Path) -> dict:
    """The content of a checkpoint, as `save_checkpoint` put it together."""
    asked, packaged = Path(path).expanduser(), CHECKPOINTS / f"{path}.pt"
    found = next((p for p in (asked, packaged) if p.is_file()), None)
    if found is None:
        names = sorted(file.stem for file in CHECKPOINTS.glob("*.pt"))
        what = "a folder, no checkpoint" if asked.is_dir() else "no such checkpoint"
        raise FileNotFoundError(f"{path}: {what}; with the package come {names}")
    return _content_of(found.read_bytes(), path)


def _content_of(file: bytes, path: str | Path) -> dict:
    """What a checkpoint holds, if it is what was saved, to the last byte.

    The checksums within the archive do not cover its table of contents, and torch looks at
    neither: so a sum of the whole file stands at its end.
    """
    body, seal, sum_of_body = file.rpartition(SEAL)
    try:
        if seal and sum_of_body.decode() != hashlib.sha256(body).hexdigest():
            raise ValueError("wrong checksum")
        content = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged or hostile files
        raise CheckpointError(
            f"{path}: damaged, or no checkpoint ({type(error).__name__})"
        ) from error
    if not isinstance(content, dict) or content.get("format") != 1 or not content.keys() >= KEYS:
        raise CheckpointError(f"{path}: expected a checkpoint of this course (format 1)")
    return content


def check_savable(model: nn.Module) -> None:
    """Raise a ValueError for a model that `load_checkpoint` could not rebuild."""
    kind = type(model)
    if MODELS.get(kind.__name__) is not kind:
        of = f" of {kind.__module__}" if kind.__name__ in MODELS else ""
        raise ValueError(
            f"model: expected one of course_utils.models {sorted(MODELS)}, got {kind.__name__}{of}"
        )
