"""What `fit` is handed: data, a model, a loss, checked before the first step."""

import dis
import functools
import zlib
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.arguments import described
from course_utils.data import ImageData, as_tensor

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
    train, test = (_pixels(part, name).cpu() for part, name in zip(pair, ("train", "test")))
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


def _pixels(part: Any, name: str, argument: str = "data") -> Tensor:
    """One set as a tensor (N, D)."""
    images = as_tensor(part)
    if images is None:
        came = f"{part.dtype} in an ndarray" if type(part) is np.ndarray else type(part).__name__
        raise ValueError(f"{argument}: expected {name} images as a tensor, got {came}")
    if images.layout != torch.strided or images.is_meta:
        raise ValueError(
            f"{argument}: expected all {name} pixels, got {images.layout} on {images.device}"
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(
            f"{argument}: expected {name} pixels as uint8 or floating-point numbers, "
            f"got {images.dtype}"
        )
    if images.dim() < 2 or images.numel() == 0:
        raise ValueError(
            f"{argument}: expected {name} images (N, D) or (N, H, W), not empty, "
            f"got shape {tuple(images.shape)}"
        )
    return images.flatten(1)


def _check_values(rows: Tensor, name: str, shares: bool, argument: str = "data") -> None:
    if rows.dtype == torch.uint8:
        if shares and rows.max() == 1:  # 1/255 of ink is none
            raise ValueError(
                f"{argument}: expected {name} pixels of uint8 from 0 to 255, got 0 and 1 only; "
                "black and white pixels may be floats"
            )
        return
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        if not part.isfinite().all():
            row = first + int((~part.isfinite()).any(1).nonzero()[0])
            raise ValueError(
                f"{argument}: expected finite pixels, got NaN or infinity in {name} row {row}"
            )
        low, high = part.min().item(), part.max().item()
        if shares and not (low >= 0 and high <= 1):
            raise ValueError(
                f"{argument}: expected {name} pixels from 0 to 1 for Bernoulli variables, "
                f"got {low:g} to {high:g}; uint8 pixels from 0 to 255 are scaled"
            )


def rows_to_score(model: Any, pixels: Any) -> Tensor:
    """What `evaluate` is handed as rows (N, D): uint8 or floating-point, where they are.

    Raises:
        ValueError: for anything else, with what was expected and what came.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected a torch.nn.Module, got {described(model)}")
    rows = _pixels(pixels, "scored", "pixels")
    _check_values(rows, "scored", wants_shares(model, "none"), "pixels")
    return rows


def wants_shares(model: Any, binarize: str) -> bool:
    """Whether pixels must lie in [0, 1]: they are drawn from, or scored as Bernoulli variables."""
    return binarize == "dynamic" or "bernoulli" in str(getattr(model, "likelihood", ""))


# --- fingerprints: whether a run goes on with what it began with ---------------------------------


def model_fingerprint(model: nn.Module) -> str:
    """A model's class and options; its precision and what is frozen, where that is unusual."""
    said = f"{type(model).__name__} {getattr(model, 'options', '')}"
    for kind in sorted({str(p.dtype) for p in model.parameters()} - {"torch.float32"}):
        said += f" {kind}"
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    return said + (f" frozen {', '.join(frozen)}"[:100] if frozen else "")


def data_fingerprint(*parts: Tensor) -> str:
    """Shape, type and checksum of each set."""
    return ", ".join(
        f"{tuple(part.shape)} {part.dtype} "
        f"{zlib.crc32(part.contiguous().view(torch.uint8).numpy()):08x}"  # NumPy has no bfloat16
        for part in parts
    )


def loss_fingerprint(loss: Any) -> str:
    """A loss by its name, its code and the numbers in it, as in `lambda m, x: -m.elbo(x, beta)`.

    Numbers of the page count, and other functions of it that the loss calls. What changes while it
    is used (the step of a warm-up, say) is left out: what it sets itself, and what an object or a
    tensor holds.
    """
    return _loss_fingerprint(loss, ())


def _loss_fingerprint(loss: Any, callers: tuple) -> str:
    if isinstance(loss, functools.partial):
        fixed = sorted(loss.keywords.items())
        return f"{_loss_fingerprint(loss.func, callers)} with {[*loss.args, *fixed]}"[:200]
    name = getattr(loss, "__qualname__", type(loss).__qualname__)
    function = getattr(loss, "__func__", loss)
    if not isinstance(function, FunctionType):
        function = type(loss).__call__
    if not isinstance(function, FunctionType):  # written in C
        return name
    held = [*_read_by(function).values(), *(function.__defaults__ or ())]
    held += (function.__kwdefaults__ or {}).values()
    numbers = [x for x in held if isinstance(x, int | float | str | np.generic)]
    helpers = [
        _loss_fingerprint(f, (*callers, function))
        for f in held
        if isinstance(f, FunctionType)
        and f.__module__ == function.__module__
        and f not in (*callers, function)
    ]
    text = f"{_code_text(function.__code__)} {numbers}" + f" {helpers}" * bool(helpers)
    return f"{name} {zlib.crc32(text.encode()):08x}"


def _read_by(function: FunctionType) -> dict[str, Any]:
    """What a function reads from outside and does not set itself, by name."""
    code = function.__code__
    steps = [step for part in _codes(code) for step in dis.get_instructions(part)]
    read = {i.argval for i in steps if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    found = {name: function.__globals__[name] for name in read if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        with suppress(ValueError):  # it is empty yet
            found[name] = cell.cell_contents
    own = {i.argval for i in steps if i.opname in ("STORE_GLOBAL", "STORE_DEREF")}
    return {name: found[name] for name in sorted(found) if name not in own}


def _codes(code: CodeType) -> list[CodeType]:
    """A function's code, and that of the functions within it."""
    return [code] + [
        c for inner in code.co_consts if isinstance(inner, CodeType) for c in _codes(inner)
    ]


def _code_text(code: CodeType) -> str:
    """What a function does, without where it stands."""
    constants = [
        _code_text(c)
        if isinstance(c, CodeType)
        else str(sorted(map(repr, c)))  # a set has no order, or another in each process
        if isinstance(c, frozenset)
        else repr(c)
        for c in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
