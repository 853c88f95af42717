"""How an answer is asked, and what it gives as tensors.

Numbers, NumPy and lists are as good as tensors; what is none of them gets a hint.
"""

import contextlib
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class CheckFailed(AssertionError):
    """An answer that is not right yet.

    Attributes:
        hint: what to look at.
        stronger: what is said as well when the same exercise fails again; may be empty.
    """

    def __init__(self, hint: str, stronger: str = ""):
        super().__init__(hint)
        self.hint, self.stronger = hint, stronger

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows in place of a traceback: the hint in a box."""
        lines = [row for line in self.hint.split("\n") for row in textwrap.wrap(line, 84) or [""]]
        return ["┌─ Not yet " + "─" * 77, *(f"│ {line}" for line in lines), "└" + "─" * 87]


def call(answer: Callable, *inputs: Any) -> Any:
    """What most exercises ask: what does the function give for (copies of) these inputs?"""
    if not callable(answer):
        kind = type(answer).__name__
        raise CheckFailed(f"Expected a function, got {kind}: its name without parentheses?")
    copies = [x.clone() if torch.is_tensor(x) else x for x in inputs]
    result = answer(*copies)
    for name, x, copy in zip(names_of(answer, inputs), inputs, copies):
        if result is not None and torch.is_tensor(x) and not torch.equal(copy.detach(), x):
            raise CheckFailed(
                f"Your function changes {name or 'an argument'} in place, and with it the tensor "
                "of whoever calls it: work on a copy, or without +=, *=, [...] = and names_."
            )
    return result


def one_by_one(answer: Callable, *inputs: Any) -> Any:
    """As `call`; code that takes numbers only (math.log, `if u < 0.5`) gets entry after entry."""
    try:
        return call(answer, *inputs)
    except (TypeError, ValueError, RuntimeError) as problem:
        columns = torch.broadcast_tensors(*map(torch.as_tensor, inputs))
        try:
            return torch.stack([torch.as_tensor(answer(*row)) for row in zip(*columns)])
        except Exception:
            raise problem from None


def itself(answer: Any) -> Any:
    """What pencil and paper found is compared as it is."""
    return answer


def names_of(answer: Any, inputs: Sequence) -> list[str]:
    """The names that a function gives to its arguments, as text; empty where they are unknown."""
    with contextlib.suppress(Exception):  # builtins have none; a stranger's attributes may raise
        names = list(inspect.signature(answer).parameters)
        if len(names) >= len(inputs):
            return [f"`{name}`" for name in names]
    return [""] * len(inputs)


def numbers(value: Any, name: str = "") -> Tensor:
    """Anything numeric as a tensor on the CPU; other things get a hint that names the part."""
    where = f"{name}: " if name else ""
    if value is None:
        raise CheckFailed(f"{where}It returns nothing: is a `return` missing?")
    with contextlib.suppress(Exception):  # whatever a stranger's attributes may raise
        if not torch.is_tensor(value):
            array = np.asarray(value)  # of objects: fractions, say
            value = torch.as_tensor(array.astype(float) if array.dtype == object else array)
        if not value.is_complex():
            return (value if value.layout == torch.strided else value.to_dense()).detach().cpu()
    kind = type(value).__name__
    if torch.is_tensor(value):
        kind = "complex numbers" if value.is_complex() else f"one on {value.device}"
    raise CheckFailed(f"{where}Expected a number or a tensor, got {kind}.")


def is_float_tensor(x: Any) -> bool:
    """Whether x is a tensor of float32, float64 or the like."""
    return torch.is_tensor(x) and x.is_floating_point()


def as_float64_tensor(x: Any) -> Any:
    """The same input for code that takes nothing but tensors, or brings float64 of its own."""
    if isinstance(x, float):
        return torch.tensor(x, dtype=torch.float64)
    return x.double() if isinstance(x, nn.Module) or is_float_tensor(x) else x
