"""A reader's own pictures: from a folder or an array, as an `ImageData` like the course's own.

Whatever they were, they become grey, 28 x 28, and 255 is ink; one printed line says how.
"""

import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from course_utils.arguments import count, described, number
from course_utils.data.digits import ImageData, tell
from course_utils.files import no_folder, quoted, user_path

SIDE = 28  # pixels of a side
_NO_PICTURES = {"thumbs.db", "desktop.ini"}  # what systems leave in folders, beside hidden files


class Pictures(NamedTuple):
    """What was read, in order.

    Attributes:
        images: (N, 28, 28) uint8, as bright as the pictures were.
        labels: (N,) int64.
        sizes: width and height of each picture before.
        where: what they came from, and `notes` what else to say of them.
    """

    images: np.ndarray
    labels: np.ndarray
    sizes: list[tuple[int, int]]
    where: str
    notes: list[str]


def load_images(
    pictures: str | os.PathLike | np.ndarray | Tensor,
    test_share: float = 0.1,
    seed: int = 0,
    invert: bool | None = None,
) -> ImageData:
    """Your own pictures, to train and explore as the digits are. Prints one line: what was done.

    Colours become grey; the middle square is cut out and scaled to 28 x 28; transparent parts
    become paper.

    Args:
        pictures: a folder of pictures in any format that Pillow reads. Subfolders are classes:
            labels count them in the order of their names, or are the names, where all are whole
            numbers; without subfolders all labels are 0. Or an array or tensor (N, H, W) or
            (N, H, W, 3), uint8 or floats from 0 to 1.
        test_share: share of the pictures that become test images; at least one picture does.
        seed: of the shuffle that chooses them.
        invert: whether dark becomes bright, as 255 is ink here and ink on paper is dark. None:
            where most pictures have a bright border.
    Returns:
        `ImageData` named `"images"`, in shuffled order; the same for the same pictures and seed.
    Raises:
        ValueError: for a folder without two pictures, or an array that holds none; says what came.
    """
    share = number("test_share", test_share, "more than 0 and less than 1", lambda s: 0 < s < 1)
    shuffle = torch.Generator("cpu").manual_seed(count("seed", seed, least=0))
    if invert is not None and not isinstance(invert, bool | np.bool_):
        raise ValueError(f"invert: expected None, True or False, got {described(invert)}")
    is_folder = isinstance(pictures, str | os.PathLike)
    found = _from_folder(pictures) if is_folder else _from_array(pictures)
    if (total := len(found.images)) < 2:
        raise ValueError(f"pictures: expected two or more, to train and to test, got {total}")
    flipped, why = _inverted(found.images, invert)
    images = torch.from_numpy(255 - found.images if flipped else found.images)
    labels = torch.from_numpy(found.labels)
    order = torch.randperm(total, generator=shuffle, device="cpu")
    test, train = order.tensor_split([min(max(round(share * total), 1), total - 1)])
    data = ImageData("images", images[train], labels[train], images[test], labels[test])
    tell("Your pictures", data, found.where, [*_changes(found.sizes), why, *found.notes])
    return data


def _inverted(images: np.ndarray, invert: bool | None) -> tuple[bool, str]:
    """Whether dark is to become bright, and what to say of it."""
    border = np.ones((SIDE, SIDE), dtype=bool)
    border[1:-1, 1:-1] = False
    bright = int((np.median(images[:, border], axis=1) > 127).sum())
    border_says = f"{bright:,} of {len(images):,} have a bright border"
    if invert is None:
        invert = 2 * bright > len(images)
        return invert, f"{'inverted' if invert else 'not inverted'}, as {border_says}"
    return bool(invert), "inverted, as asked" if invert else "not inverted, as asked"


def _changes(sizes: list[tuple[int, int]]) -> list[str]:
    """What to say of pictures that had other sizes and shapes."""
    cropped = sum(width != height for width, height in sizes)
    scaled = sum(min(size) != SIDE for size in sizes)
    first = " x ".join(map(str, sizes[0])) if len({*sizes}) == 1 else "several sizes"
    return [f"the middle square cut out of {cropped:,}"] * (cropped > 0) + [
        f"{scaled:,} scaled from {first} to {SIDE} x {SIDE}"
    ] * (scaled > 0)


# --- Folders -------------------------------------------------------------------------------------


def _from_folder(source: str | os.PathLike) -> Pictures:
    folder = user_path("pictures", source)
    if why := no_folder(folder.absolute()):
        raise ValueError(f"pictures: {why}")
    paths = _files(folder)
    read, failed = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata and of very large pictures
        for path in tqdm(paths, desc="reading pictures", delay=2, leave=False):
            try:
                read.append((path.relative_to(folder), *_read(path)))
            except Exception:  # every format has its own ways to say damaged
                failed.append(path.relative_to(folder))
    if not read:
        rest = f", and {_named(failed)}, which Pillow cannot read" if failed else ""
        raise ValueError(f"pictures: no pictures in {quoted(folder.absolute())}{rest}")
    classes = _classes([path for path, *_ in read])
    beside = [path for path, *_ in read if classes and len(path.parts) == 1]
    kept = [entry for entry in read if not classes or len(entry[0].parts) > 1]
    named = _cut(f"{label} = {name}" for name, label in classes.items())
    notes = [f"classes {named}"] if classes else []
    if beside:
        notes.append(f"left out beside the folders of classes: {_named(beside)}")
    if failed:
        notes.append(f"left out, as Pillow cannot read them: {_named(failed)}")
    labels = [classes.get(path.parts[0], 0) for path, *_ in kept]
    return Pictures(
        np.stack([image for _, image, _ in kept]),
        np.array(labels, dtype=np.int64),
        [size for *_, size in kept],
        quoted(folder),
        notes,
    )


def _files(folder: Path) -> list[Path]:
    """All files under a folder that are not hidden, in an order that is the same everywhere."""
    found, seen = [], {os.path.realpath(folder)}
    for inner, folders, names in os.walk(folder, followlinks=True):
        inside = {name: os.path.realpath(Path(inner) / name) for name in folders}
        folders[:] = [
            name
            for name, path in inside.items()
            if not name.startswith((".", "__MACOSX")) and path not in seen  # a link back
        ]
        seen |= {inside[name] for name in folders}
        found += [Path(inner) / name for name in names if not name.startswith(".")]
    found = [path for path in found if path.name.lower() not in _NO_PICTURES]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _classes(paths: list[Path]) -> dict[str, int]:
    """Names of subfolders that hold pictures, and the label of each."""
    names = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    if all(re.fullmatch(r"0|[1-9]\d{0,5}", name) for name in names):
        return {name: int(name) for name in sorted(names, key=int)}
    return {name: label for label, name in enumerate(names)}


def _named(paths: list[Path]) -> str:
    files = f"{len(paths):,} file{'s' * (len(paths) > 1)}"
    return f"{files} ({_cut(quoted(path) for path in paths)})"


def _cut(parts: Any) -> str:
    """At most three of them, and no long ones: all of this stands in one line."""
    shown = [part if len(part) <= 40 else f"{part[:36]} ..." for part in parts]
    return ", ".join(shown if len(shown) <= 3 else [*shown[:2], "...", shown[-1]])


def _read(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture as (28, 28) uint8, and the size that it had."""
    with Image.open(path) as picture:
        size = picture.size
        picture.draft(None, (4 * SIDE, 4 * SIDE))  # of a large photo, no more than is needed
        return _small(_grey(ImageOps.exif_transpose(picture))), size


def _grey(picture: Image.Image) -> Image.Image:
    """A picture of any mode as "L", brightness from 0 to 255."""
    if picture.mode.startswith(("I", "F")):
        most = (1, 255, 65_535) if picture.mode == "F" else (65_535,)
        return Image.fromarray(_bytes(np.asarray(picture, dtype=np.float64), most))
    if picture.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        return _on_paper(picture.convert("RGBA"))
    return picture.convert("L")


def _bytes(values: np.ndarray, scales: tuple[int, ...]) -> np.ndarray:
    """Pixels of more than 8 bits as uint8; white is the first of `scales` that is enough."""
    low, high = values.min(), values.max()
    white = next((scale for scale in scales if low >= 0 and high <= scale), None)
    if white is None:
        raise ValueError(f"expected pixels from 0 to {scales[-1]}, got {low:g} to {high:g}")
    return np.rint(values * (255 / white)).astype(np.uint8)


def _on_paper(picture: Image.Image) -> Image.Image:
    """A transparent drawing on paper of the other brightness: white, or black for bright ink."""
    grey, alpha = np.asarray(picture.convert("L")), np.asarray(picture.getchannel("A"))
    bright = (grey * (alpha / 255)).sum() > 127 * (alpha / 255).sum()
    paper = Image.new("RGBA", picture.size, "black" if bright else "white")
    return Image.alpha_composite(paper, picture).convert("L")


def _small(grey: Image.Image) -> np.ndarray:
    """The middle square, scaled: every pixel is the mean of those that it replaces."""
    enlarged = min(grey.size) < SIDE
    method = Image.Resampling.BILINEAR if enlarged else Image.Resampling.BOX
    return np.asarray(ImageOps.fit(grey, (SIDE, SIDE), method))


# --- Arrays --------------------------------------------------------------------------------------


def _from_array(source: Any) -> Pictures:
    pixels = _pixels(source)
    images = np.stack([_small(Image.fromarray(image).convert("L")) for image in pixels])
    height, width = pixels.shape[1:3]
    labels = np.zeros(len(pixels), dtype=np.int64)
    return Pictures(images, labels, [(width, height)] * len(pixels), "an array", [])


def _pixels(source: Any) -> np.ndarray:
    """An array or a tensor of pictures as uint8 (N, H, W) or (N, H, W, 3), checked."""
    if isinstance(source, Tensor):
        with suppress(TypeError, RuntimeError):  # sparse, or without values: no array
            source = source.detach().cpu()
            source = (source.float() if source.is_floating_point() else source).numpy()
    if not isinstance(source, np.ndarray):
        raise ValueError(f"pictures: expected a folder or an array, got {described(source)}")
    shape, kind = source.shape, source.dtype
    colours_last = len(shape) == 4 and shape[3] == 3
    if 0 in shape or not (colours_last or (len(shape) == 3 and shape[2] > 4)):
        raise ValueError(f"pictures: expected shape (N, H, W) or (N, H, W, 3), got {shape}")
    if kind == np.uint8:
        return source
    if kind.kind != "f":
        raise ValueError(f"pictures: expected uint8 or floats from 0 to 1, got {kind}")
    low, high = float(source.min()), float(source.max())
    if not (low >= 0 and high <= 1):  # not: catches NaN too
        raise ValueError(f"pictures: expected floats from 0 to 1, got {low:g} to {high:g}")
    return np.rint(255 * source).astype(np.uint8)
