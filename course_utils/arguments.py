"""What callers hand over: numbers of any library, checked, with a message that names them."""

import inspect
import math
import operator
from typing import Any


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number of things, as Python's int: from int, NumPy, a tensor of one element, 3.0.

    Raises:
        ValueError: for a fraction, for fewer than `least`, for anything that is no number.
    """
    expected = f"{name}: expected a whole number, {least} or more, got "
    if isinstance(value, bool):
        raise ValueError(f"{expected}{value}")
    try:
        whole = operator.index(value)
    except TypeError:
        number = _real(value)
        if number is None or not number.is_integer():
            raise ValueError(f"{expected}{described(value)}") from None
        whole = int(number)
    if whole < least:
        raise ValueError(f"{name}: expected {least} or more, got {whole}")
    return whole


def counts(**values: Any) -> dict[str, int]:
    """Several of them by name, as `count` gives them."""
    return {name: count(name, value) for name, value in values.items()}


def number(name: str, value: Any, expected: str, accept: Any = math.isfinite) -> float:
    """A real number, as Python's float: from int, float, NumPy, or a tensor of one element.

    Args:
        expected: what the message says of it, "more than 0".
        accept: from the float to whether it will do.
    Raises:
        ValueError: where `accept` says no, or for anything that is no number.
    """
    found = _real(value)
    if found is None or not accept(found):
        raise ValueError(f"{name}: expected {expected}, got {described(value)}")
    return found


def _real(value: Any) -> float | None:
    """The float that one number of any library is; None for everything else."""
    if isinstance(value, str | bytes | bool) or getattr(value, "ndim", 0):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def function_of(name: str, value: Any, *arguments: str) -> None:
    """Raise a ValueError unless a value can be called with so many arguments, named so."""
    wanted = f"{name}: expected a function of ({', '.join(arguments)}), got "
    if not callable(value):
        raise ValueError(f"{wanted}{described(value)}")
    try:
        signature = inspect.signature(getattr(value, "forward", value))  # a module's call hides it
    except (TypeError, ValueError):  # written in C: it knows best
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise ValueError(f"{wanted}one of {str(signature)[:60]}") from None
    if list(signature.parameters)[:2] == ["input", "target"]:  # torch's losses compare two tensors
        raise ValueError(f"{wanted}one of (input, target): {described(value)}")


def described(value: Any) -> str:
    """A value in a message: short, on one line, and of arrays the kind and the shape only."""
    shape = getattr(value, "shape", None)
    if shape is not None and tuple(shape) != ():
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:50]}... ({type(value).__name__})"
