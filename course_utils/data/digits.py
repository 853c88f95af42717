"""The digits: MNIST, verified, or digits drawn by `strokes` where MNIST cannot be had; faces.

`load_digits()` looks for MNIST's files, else downloads them, else draws digits: it works with no
network and no files, prints one line that says what it did, and never leaves half a file behind.
`load_faces()` draws faces; what has been drawn is kept, and found the next time.
Pixels travel as uint8; `as_float` and `binarize` turn them into what a model reads.
"""

import functools
import hashlib
import io
import math
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.arguments import count
from course_utils.data import mnist, strokes
from course_utils.files import (
    cache_root,
    data_roots,
    no_folder,
    quoted,
    reason,
    short,
    try_to_write,
    variable,
)

SOURCES = ("auto", "mnist", "strokes")
_STROKES_COUNTS, _FACES_COUNTS = (60_000, 10_000), (10_000, 2_000)  # train, test
_FINGERPRINTED = (160, 40)  # train, test: every style of writing a digit is among them

Drawn = tuple[Tensor, Tensor, dict[str, Tensor]]  # images, labels, factors


class MNISTUnavailable(RuntimeError):
    """MNIST was asked for and cannot be had. The message says why, and how to supply it."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Images with their labels and, where they were drawn, the factors that they were drawn from.

    Attributes:
        name: `"mnist"`, `"strokes"`, `"faces"`, or `"images"` for your own, from `load_images`.
        train_images, test_images: (N, 28, 28) uint8; 0 is background, 255 is ink.
        train_labels, test_labels: (N,) int64.
        train_factors, test_factors: factor name -> (N,), or None where nobody knows them.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    train_factors: dict[str, Tensor] | None = None
    test_factors: dict[str, Tensor] | None = None

    def __repr__(self) -> str:
        train, test = len(self.train_images), len(self.test_images)
        known = f", factors {', '.join(self.train_factors)}" if self.train_factors else ""
        return f"ImageData({self.name!r}, {train:,} + {test:,} images{known})"


def load_digits(source: str = "auto", root: str | os.PathLike | None = None) -> ImageData:
    """Handwritten digits, (N, 28, 28) uint8. Prints one line: what, how many, from where.

    Args:
        source: `"mnist"`, `"strokes"` (drawn digits, with known factors), or `"auto"`: MNIST from
            files or a verified download, else strokes. The environment variable `COURSE_DIGITS`
            takes the place of `"auto"`.
        root: folder to look for files in, before the course's own cache; see `data_root`. Nothing
            is ever written into it.
    Returns:
        `ImageData` of 60,000 + 10,000 images.
    Raises:
        MNISTUnavailable: for `"mnist"`, when it cannot be had, or when the files in the folder
            that you supplied are damaged.
        ValueError: for an unknown source.
    """
    source = _chosen_source(source)
    notes: list[str] = []  # what else the line should say
    found = None if source == "strokes" else mnist.find(root, notes, strict=source == "mnist")
    if found:
        tensors, where = found
        title, data = "MNIST", ImageData("mnist", *tensors)
    elif source == "mnist":
        archives = ", ".join(f"{file.name}.gz" for file in mnist.FILES)
        raise MNISTUnavailable(
            f"MNIST cannot be had: {'; '.join(notes)}.\nThree ways to get it:\n"
            "  1. Connect to the network and run this again.\n"
            f"  2. Put {archives} (packed or not), or Keras's mnist.npz, in a folder, "
            "and pass root= or set COURSE_DATA to that folder.\n"
            "  3. Copy the folder MNIST/raw of a colleague, or of torchvision, into "
            f"{quoted(cache_root())}.\n"
            'Or draw the digits instead: load_digits("strokes").'
        )
    else:
        title = "Drawn digits" + " instead of MNIST" * (source == "auto")
        data, where = _load_drawn("strokes", _STROKES_COUNTS, strokes.digits, root, notes)
    tell(title, data, where, notes)
    return data


def load_faces(root: str | os.PathLike | None = None) -> ImageData:
    """Drawn faces with known factors, (N, 28, 28) uint8. Prints one line: what, from where.

    Args:
        root: folder to look for files in, before the course's own cache; see `data_root`. Nothing
            is ever written into it.
    Returns:
        `ImageData` of 10,000 + 2,000 images. Labels are 1 where the face smiles, 0 where it does
        not; the factors are those of `strokes.draw_faces`.
    """
    notes: list[str] = []
    data, where = _load_drawn("faces", _FACES_COUNTS, strokes.faces, root, notes)
    tell("Drawn faces", data, where, notes)
    return data


def tell(title: str, data: ImageData, where: str, notes: list[str]) -> None:
    """Print the one line: what was loaded, from where, and what else there is to say."""
    why = f" ({'; '.join(notes)})" if notes else ""
    print(
        f"{title}: {len(data.train_images):,} + {len(data.test_images):,} images from {where}{why}"
    )


def as_tensor(pixels: Any) -> Tensor | None:
    """A tensor or a NumPy array of numbers as a tensor without gradient; None for all else.

    Arrays may be of any order of bytes and rows. Memory is shared where torch can.
    """
    if isinstance(pixels, np.ndarray) and not isinstance(pixels, np.ma.MaskedArray):
        with suppress(TypeError):  # text, objects, and numbers that torch does not have
            native = pixels.dtype.newbyteorder("=")
            return torch.from_numpy(np.require(pixels, native, ["C", "W"]))
    return pixels.detach() if isinstance(pixels, Tensor) else None


def scaled(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels as floats: uint8 is scaled to [0, 1], floats keep their values. Nothing is checked.

    Args:
        pixels: of any shape, uint8 or floats, on any device.
        dtype: of the result, a floating-point type.
    Returns:
        The same shape on the same device; `pixels` themselves when they are of that type already.
    """
    x = pixels.to(dtype)
    return x.div_(255) if pixels.dtype == torch.uint8 else x


def as_float(images: Tensor) -> Tensor:
    """Images as rows of pixels that a model reads, checked.

    Args:
        images: (N, 28, 28) or (N, D), uint8 or floats in [0, 1].
    Returns:
        float32 (N, D) in [0, 1]; shares memory with `images` when they are float32 already.
    Raises:
        ValueError: for another dtype, values outside [0, 1], or a single image without N.
    """
    if not isinstance(images, Tensor):
        raise ValueError(f"expected images as a tensor, got {type(images).__name__}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"expected uint8 or floating-point images, got {images.dtype}")
    if images.layout != torch.strided:
        raise ValueError(f"expected all pixels of the images, got {images.layout}")
    shape = tuple(images.shape)
    if len(shape) < 2 or shape == (28, 28):
        raise ValueError(f"expected images of shape (N, 28, 28) or (N, D), got {shape}")
    pixels = scaled(images.reshape(shape[0], math.prod(shape[1:])))
    if images.dtype == torch.uint8:
        return pixels
    if pixels.numel() and not (pixels.min() >= 0 and pixels.max() <= 1):  # not: catches NaN too
        low, high = pixels.min().item(), pixels.max().item()
        raise ValueError(f"expected floating-point images in [0, 1], got {low:g} to {high:g}")
    return pixels


def binarize(images: Tensor, seed: int = 0) -> Tensor:
    """Black-and-white images: each pixel is 1 with probability its grey value.

    Its own generator draws, on the CPU: the result depends on `images` and `seed` alone, not on
    the device, and no other random stream moves.

    Args:
        images: (N, 28, 28) or (N, D), uint8 or floats in [0, 1].
        seed: seed of the draw.
    Returns:
        float32 (N, D) of zeros and ones, on the device of `images`.
    Raises:
        ValueError: as `as_float`, or for a seed that is no whole number.
    """
    grey = as_float(images)
    draws = torch.Generator("cpu").manual_seed(count("seed", seed, least=0))
    uniform = torch.rand(grey.shape, generator=draws, dtype=torch.float32, device="cpu")
    return uniform.to(grey.device).lt_(grey)  # in place: a second copy of MNIST takes 188 MB


def _chosen_source(source: str) -> str:
    """`source`, with `COURSE_DIGITS` in the place of `"auto"`; a ValueError for anything else."""
    wish = variable("COURSE_DIGITS") if source == "auto" else ""
    chosen, named = (wish, "COURSE_DIGITS") if wish else (source, "source")
    if chosen not in SOURCES:
        raise ValueError(f"{named}: expected 'auto', 'mnist' or 'strokes', got {chosen!r}")
    return chosen


def _load_drawn(
    name: str,
    counts: tuple[int, int],
    draw: Callable[..., Drawn],
    root: str | os.PathLike | None,
    notes: list[str],
) -> tuple[ImageData, str]:
    """The images that `draw(count, seed)` draws, from a cached file or drawn now, and from where.

    `counts` are those of training and test images.
    """
    file = f"{name}-{_fingerprint(draw)}.pt"  # other images, another file
    *supplied, cache = data_roots(root)
    faults = [why for user in supplied if (why := no_folder(user))]
    if not notes:  # else that has been said
        notes += [f"not from your folder: {why}" for why in faults]
    for path in [folder / file for folder in (*supplied[len(faults) :], cache)]:
        try:
            return _read_drawn(path, name, counts), short(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Exception as error:  # zipfile and torch.load each have many ways to say damaged
            notes.append(f"unusable {quoted(path)}: {reason(error)}")
    (train, train_labels, train_factors), (test, test_labels, test_factors) = _draw(draw, counts)
    data = ImageData(name, train, train_labels, test, test_labels, train_factors, test_factors)
    buffer = io.BytesIO()
    torch.save({key: value for key, value in vars(data).items() if key != "name"}, buffer)
    cached = cache_root() / file
    if unsaved := try_to_write(cached, buffer.getvalue()):
        notes.append(f"not saved in {quoted(cached.parent)}: {unsaved}")
        return data, strokes.__name__
    notes.append("drawn now")
    for old in cached.parent.glob(f"{name}-{'[0-9a-f]' * 8}.pt"):
        if old.name != cached.name:
            with suppress(OSError):
                old.unlink()
    return data, short(cached)


def _draw(
    draw: Callable[..., Drawn], counts: tuple[int, int], progress: bool = True
) -> list[Drawn]:
    """Training and test images, so many of each, drawn from the seeds 1 and 2."""
    return [draw(count, seed, progress) for seed, count in enumerate(counts, start=1)]


@functools.cache
def _fingerprint(draw: Callable[..., Drawn]) -> str:
    """Eight hexadecimal digits that say what is drawn: a hash of the first images of each part.

    Whatever changes them changes it, and a comment in the artist's code does not. It is the same
    on every machine, as the artist rounds alike on all of them.
    """
    content = hashlib.sha256()
    for images, labels, factors in _draw(draw, _FINGERPRINTED, progress=False):
        content.update("".join(factors).encode())  # their names
        for values in (images, labels, *factors.values()):
            content.update(values.numpy().tobytes())
    return content.hexdigest()[:8]


def _read_drawn(path: Path, name: str, counts: tuple[int, int]) -> ImageData:
    """Drawn images from a file, checked: torch.load itself does not look at the checksums."""
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError("wrong checksum")
    data = ImageData(name, **torch.load(path, weights_only=True))
    if (len(data.train_images), len(data.test_images)) != counts:
        raise ValueError(f"expected {counts} images, got {data}")
    return data
