"""What a reader hands to an explorer or a page: images and labels of any library, made alike."""

import math
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.arguments import described
from course_utils.data import ImageData, as_tensor


def images_and_labels(images: Any, labels: Any) -> tuple[Tensor | None, list[str] | None]:
    """Images as a tensor on the CPU, (N, ...) uint8 or floats in [0, 1], and the N labels' names.

    Args:
        images: a tensor or a NumPy array; an `ImageData`, whose test images are taken, with their
            labels unless others are given; or None.
        labels: as for `names`, or None.
    Raises:
        ValueError: for images that are none, or labels that do not fit; says what came.
    """
    if isinstance(images, ImageData):
        images, labels = images.test_images, images.test_labels if labels is None else labels
    if images is None:
        if labels is not None:
            raise ValueError("labels: expected images to go with them, got none")
        return None, None
    images = _pixels(images)
    if labels is None:
        return images, None
    listed = names(labels)
    if len(listed) != len(images):
        raise ValueError(f"labels: expected {len(images)}, one per image, got {len(listed)}")
    return images, listed


def _pixels(images: Any) -> Tensor:
    given, images = images, as_tensor(images)
    if images is None:
        got = f"one of {given.dtype}" if type(given) is np.ndarray else brief(given)
        raise ValueError(f"images: expected a tensor or an array of numbers, got {got}")
    if images.layout != torch.strided or images.is_meta:
        raise ValueError(f"images: expected all pixels, got {images.layout} on {images.device}")
    images = images.cpu()
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images: expected uint8 or floating-point images, got {images.dtype}")
    shape = tuple(images.shape)
    if len(shape) < 2 or shape == (28, 28):
        raise ValueError(f"images: expected shape (N, 28, 28) or (N, D), got {shape}")
    if images.numel() == 0:
        raise ValueError(f"images: expected at least one, got {shape}")
    if images.dtype == torch.uint8:
        return images
    low, high = images.min().item(), images.max().item()
    if not math.isfinite(high - low):
        raise ValueError("images: expected finite pixels, got NaN or infinity")
    if low < 0 or high > 1:
        raise ValueError(
            f"images: expected floating-point images in [0, 1], got {low:g} to {high:g}; "
            "uint8 pixels from 0 to 255 are scaled"
        )
    return images


def brief(value: Any) -> str:
    """A value in a message, on one line."""
    if isinstance(value, list | tuple) and len(repr(value)) > 60:
        return f"{type(value).__name__} of {len(value)}"
    return " ".join(described(value).split())


def came(value: Any) -> str:
    """What a model gave, in a message: its shape, or its type."""
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


# --- labels --------------------------------------------------------------------------------------


def names(labels: Any) -> list[str]:
    """What each label is called: 3, 3.0, NumPy's 3 and "3" alike.

    Args:
        labels: numbers, names or both in a list, tuple, tensor, NumPy array, or what else has an
            order.
    Raises:
        ValueError: for anything else, and for a label that is itself a list or an array.
    """
    listed = labels
    try:
        if isinstance(labels, bytes | bytearray):  # a letter for each image, as of a text
            listed = labels.decode(errors="replace")
        elif hasattr(labels, "tolist"):
            listed = labels.tolist()
        if isinstance(listed, Mapping | Set):
            raise TypeError("no order")
        listed = list(listed)
    except (TypeError, RuntimeError):  # no order, or a tensor without values
        raise ValueError(
            f"labels: expected a list or an array, one label per image, got {brief(labels)}"
        ) from None
    return [_name(label, labels) for label in listed]


def _name(label: Any, labels: Any) -> str:
    if hasattr(label, "tolist"):
        label = label.tolist()
    if isinstance(label, list | tuple | dict | set):
        raise ValueError(
            f"labels: expected one number or name per image, got {brief(label)} in {brief(labels)}"
        )
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    whole = isinstance(label, float) and label.is_integer()
    return str(int(label) if whole else label)


def classes(names: list[str]) -> tuple[list[str], list[int]]:
    """The classes in order, numbers before words, and of each label the number of its class."""
    kinds = sorted(set(names), key=_place)
    number = {kind: n for n, kind in enumerate(kinds)}
    return kinds, [number[name] for name in names]


def _place(name: str) -> tuple[bool, float, str]:
    """What classes are sorted by."""
    try:
        value = float(name)
    except ValueError:
        value = math.nan
    return not math.isfinite(value), value if math.isfinite(value) else 0.0, name
