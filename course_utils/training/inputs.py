"""What `fit` is handed: data, a model, a loss, checked before the first step."""

import functools
import zlib
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.arguments import described
from course_utils.data import ImageData

CHUNK = 10_000  # rows looked at together


def device_of(model: Any) -> torch.device:
    """The device that a model is trained on.

    Raises:
        ValueError: for something that is no module, or has nothing to train.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected a torch.nn.Module, got {described(model)}")
    parameter = next((p for p in model.parameters() if p.requires_grad), None)
    if parameter is None:
        kind = type(model).__name__
        raise ValueError(f"model: expected parameters to train, got {kind} without any")
    return parameter.device


def rows_of_pixels(
    data: ImageData | tuple[Tensor, Tensor], shares: bool = False
) -> tuple[Tensor, Tensor]:
    """Train and test sets as two tensors (N, D) on the CPU, uint8 or floating-point.

    Args:
        data: as `fit` takes it; NumPy arrays will do.
        shares: whether pixels must be shares of ink, from 0 to 1 (uint8 stands for such).
    Raises:
        ValueError: for anything else, with what was expected and what came.
    """
    pair = (data.train_images, data.test_images) if isinstance(data, ImageData) else data
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        came = f"{type(pair).__name__} of {len(pair)}" if _is_list(pair) else described(pair)
        raise ValueError(f"data: expected an ImageData or a pair (train, test), got {came}")
    train, test = (_pixels(part, name) for part, name in zip(pair, ("train", "test")))
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            "data: expected train and test rows of one width, "
            f"got {train.shape[1]} and {test.shape[1]} pixels"
        )
    for part, name in ((train, "train"), (test, "test")):
        _check_values(part, name, shares)
    return train, test


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple | list)


def _pixels(part: Any, name: str) -> Tensor:
    """One set as a tensor (N, D)."""
    images = torch.from_numpy(part) if isinstance(part, np.ndarray) else part
    if not isinstance(images, Tensor):
        raise ValueError(f"data: expected {name} images as a tensor, got {type(part).__name__}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(
            f"data: expected {name} pixels as uint8 or floating-point numbers, got {images.dtype}"
        )
    if images.dim() < 2 or images.numel() == 0:
        raise ValueError(
            f"data: expected {name} images (N, D) or (N, H, W), not empty, "
            f"got shape {tuple(images.shape)}"
        )
    return images.flatten(1)


def _check_values(rows: Tensor, name: str, shares: bool) -> None:
    if rows.dtype == torch.uint8:
        return
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        if not part.isfinite().all():
            row = first + int((~part.isfinite()).any(1).nonzero()[0])
            raise ValueError(
                f"data: expected finite pixels, got NaN or infinity in {name} row {row}"
            )
        low, high = part.min().item(), part.max().item()
        if shares and not (low >= 0 and high <= 1):
            raise ValueError(
                f"data: expected {name} pixels from 0 to 1 for Bernoulli variables, "
                f"got {low:g} to {high:g}; uint8 pixels from 0 to 255 are scaled"
            )


def wants_shares(model: Any, binarize: str) -> bool:
    """Whether pixels must lie in [0, 1]: they are drawn from, or scored as Bernoulli variables."""
    return binarize == "dynamic" or "bernoulli" in str(getattr(model, "likelihood", ""))


# --- fingerprints: whether a run goes on with what it began with ---------------------------------


def data_fingerprint(*parts: Tensor) -> str:
    """Shape, type and checksum of each set."""
    return ", ".join(
        f"{tuple(part.shape)} {part.dtype} {zlib.crc32(np.ascontiguousarray(part.numpy())):08x}"
        for part in parts
    )


def loss_fingerprint(loss: Any) -> str:
    """A loss by its name, its code and the numbers in it, as in `lambda m, x: -m.elbo(x, beta)`.

    What a callable object counts with (a warm-up, say) may change while it is used, and is left
    out.
    """
    if isinstance(loss, functools.partial):
        fixed = sorted(loss.keywords.items())
        return f"{loss_fingerprint(loss.func)} with {[*loss.args, *fixed]}"[:200]
    name = getattr(loss, "__qualname__", type(loss).__qualname__)
    function = getattr(loss, "__func__", loss)
    if not isinstance(function, FunctionType):
        function = type(loss).__call__
    if not isinstance(function, FunctionType):  # written in C
        return name
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    held += function.__defaults__ or ()
    numbers = [x for x in held if isinstance(x, int | float | str)]
    text = f"{_code_text(function.__code__)} {numbers}"
    return f"{name} {zlib.crc32(text.encode()):08x}"


def _code_text(code: CodeType) -> str:
    """What a function does, without where it stands."""
    constants = [_code_text(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
