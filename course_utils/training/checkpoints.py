"""Models as files: written whole or not at all, and read without running code from them."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.arguments import described
from course_utils.files import PACKAGE, file_to_write, user_path, write_whole
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
        ValueError: for a model that `load_checkpoint` could not rebuild, or a history, state or
            options with more in them than numbers, texts and tensors.
        OSError: when the file cannot be written; an older file of that name is then untouched.
    """
    check_savable(model)
    path = file_to_write("path", path)
    if history is not None and not hasattr(history, "training_state"):
        raise ValueError(f"history: expected what fit returns, got {described(history)}")
    state = training_state or (history.training_state if history else None)
    weights = {k: v.half() if half else v for k, v in model.state_dict().items()}
    content = {
        "format": 1,
        "model": type(model).__name__,
        "options": _plain(model.options),
        "weights": weights,
        "rows": _plain(history.rows if history else []),
        "training_state": None if half else _plain(state),
    }
    write_whole(path, _file_of(content, path))


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's and torch's, which alone may be read from a file."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.tensor(value)
    if type(value) in (dict, list, tuple):
        kind, pairs = type(value), value.items() if isinstance(value, dict) else enumerate(value)
        plain = {_plain(name): _plain(part) for name, part in pairs}
        return plain if kind is dict else kind(plain.values())
    return value


def _file_of(content: dict, path: Path) -> bytes:
    """What the file is to hold; what could not be read again replaces nothing."""
    try:
        buffer = io.BytesIO()  # torch.save on a file hides why writing failed
        torch.save(content, buffer)
        file = buffer.getvalue() + SEAL + hashlib.sha256(buffer.getvalue()).hexdigest().encode()
        _content_of(file, path)
    except Exception as error:  # pickle raises many types for what it cannot write
        known = str | int | float | bool | bytes | None | Tensor
        odd = [v for v in _leaves(content) if not isinstance(v, known)]
        raise CheckpointError(
            f"{path}: not written: expected numbers, texts and tensors in the model's options, "
            f"the rows and the training state, got {described(odd[0]) if odd else error}"
        ) from None
    return file


def _leaves(value: Any) -> list:
    """All that lists, tuples and dicts hold, however deep."""
    if isinstance(value, dict | list | tuple):
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return [leaf for part in parts for leaf in _leaves(part)]
    return [value]


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
        why = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path}: does not fit any model of the course: {why}") from error
    return model.eval()


def read_checkpoint(path: str | Path) -> dict:
    """The content of a checkpoint, as `save_checkpoint` put it together."""
    asked, packaged = user_path("path", path, "checkpoint"), CHECKPOINTS / f"{path}.pt"
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
        if not seal:  # of an older version, or cut off
            with zipfile.ZipFile(io.BytesIO(file)) as archive:
                if archive.testzip() is not None:
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
