"""MNIST: its four files from a folder, the cache or a verified download.

A folder may hold them in any form in which they travel: packed or not, with dots for dashes, in
a folder of torchvision's, or as Keras's mnist.npz. The checksum of what is in them decides.
"""

import hashlib
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import Tensor

from course_utils.data.mirrors import download
from course_utils.files import data_roots, no_folder, quoted, reason, short, try_to_write

_RAW = "MNIST/raw"  # where torchvision keeps the files, and the course what it downloads
_KERAS = ("x_train", "y_train", "x_test", "y_test")  # arrays of mnist.npz, in the order of FILES
_NOT_READ = r"mnist.*\.(csv|pkl|pkl\.gz|zip|tar\.gz|parquet|mat|arff)$"
_GZIP = b"\x1f\x8b"


class File(NamedTuple):
    """One of MNIST's four files.

    Attributes:
        name: of the unpacked file; the archive's has `.gz` behind it.
        shape: of the tensor in it: (N, 28, 28) for images, (N,) for labels.
        gz_bytes: size of the archive, in bytes.
        gz_md5, raw_md5: checksums of the archive and of the unpacked file.
    """

    name: str
    shape: tuple[int, ...]
    gz_bytes: int
    gz_md5: str
    raw_md5: str


# fmt: off
FILES = (
    File("train-images-idx3-ubyte", (60_000, 28, 28), 9_912_422,
          "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
    File("train-labels-idx1-ubyte", (60_000,), 28_881,
          "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
    File("t10k-images-idx3-ubyte", (10_000, 28, 28), 1_648_877,
          "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
    File("t10k-labels-idx1-ubyte", (10_000,), 4_542,
          "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
)
# md5 of the unpacked files of Fashion-MNIST, and of KMNIST's archives, as published
_OTHERS = dict.fromkeys(
    ("f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9",
     "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"), "Fashion-MNIST",
) | dict.fromkeys(
    ("bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344",
     "5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134"), "KMNIST",
)
# fmt: on


class Damaged(ValueError):
    """The bytes are not those of the file that they should be."""


Found = dict[str, tuple[Tensor, str]]  # name of a file -> what is in it, and where it came from


def find(
    root: str | os.PathLike | None, notes: list[str], strict: bool
) -> tuple[list[Tensor], str] | None:
    """MNIST's four files, each from the first place that has it whole.

    The places are the user's folder, the cache, and the mirrors.

    Args:
        root: the user's folder; see `course_utils.files.data_root`. Nothing is written into it.
        notes: what was met on the way is added to it, in words for the reader.
        strict: whether a damaged file in the user's folder ends the search.
    Returns:
        The tensors in the order of `FILES` (images uint8 (N, 28, 28), labels int64 (N,)) and
        where they came from; None where one cannot be had, and `notes` then say why.
    """
    found: Found = {}
    *supplied, cache = data_roots(root)  # none supplied, or one
    for user in supplied:
        faults = _search(user, found)
        notes += faults or _lacking(user, found)
        if faults and strict:
            return None
    faults = _search(cache, found)
    nowhere = faults or _lacking(cache, found)
    if nowhere and (failure := _fetch(cache / _RAW, found, notes)):
        notes += [*nowhere, failure]
        return None
    notes += [f"instead of {fault}" for fault in faults]
    places = dict.fromkeys(found[file.name][1] for file in FILES)
    return [found[file.name][0] for file in FILES], " and ".join(places)


def _search(base: Path, found: Found) -> list[str]:
    """Add to `found` what lies whole under `base`; returns what is there but of no use."""
    faults: dict[str, list[Path]] = {}  # what is wrong -> the files of which that is true
    paths = list(_paths(base))
    for file in [file for file in FILES if file.name not in found]:
        wrong = []
        for path in sorted((path for path in paths if _is_form_of(file, path)), key=_is_keras):
            try:
                found[file.name] = _decode(file, _content(file, path)), _origin(path)
                break
            except (OSError, Damaged) as error:
                wrong.append((reason(error), path))
        else:
            for why, path in wrong:
                faults.setdefault(why, []).append(path)
    said = [f"unusable {_listed(where)}: {why}" for why, where in faults.items()]
    return said if len(said) <= 2 else [*said[:2], f"{len(said) - 2} more like these"]


def _listed(paths: list[Path]) -> str:
    first, *others = dict.fromkeys(paths)
    also = f" and {len(others)} more file{'s' * (len(others) > 1)}" if others else ""
    return quoted(first) + also


def _lacking(base: Path, found: Found) -> list[str]:
    """What to say of a folder that was searched and leaves something to be found."""
    missing = [file.name for file in FILES if file.name not in found]
    if not missing:
        return []
    what = f"no {', '.join(missing) if found else 'MNIST'}"
    if why := no_folder(base):
        return [f"{what}: {why}"]
    others = [path.name for path in _paths(base) if re.search(_NOT_READ, path.name.lower())]
    aside = f' ("{others[0]}" is in a form that is not read)' if others else ""
    return [f"{what} in {quoted(base)}{aside}"]


# --- The forms in which it travels ---------------------------------------------------------------


def _paths(base: Path) -> Iterator[Path]:
    """What lies in the folders that may hold MNIST's files: raw in MNIST, raw, MNIST, `base`.

    Where a folder has the name of a file, as Kaggle unpacks them, what lies in that.
    """
    inner = _folders(base, "mnist")
    inner += [again for folder in inner for again in _folders(folder, "mnist")]  # as its root
    torchvision = [raw for folder in inner for raw in _folders(folder, "raw")]
    for folder in [*torchvision, *_folders(base, "raw"), *inner, base]:
        for path in _children(folder):
            named_alike = any(_is_form_of(file, path) for file in FILES)
            yield from (named_alike and _children(path)) or [path]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):  # no folder, or a name that no folder can have
        return []


def _folders(base: Path, name: str) -> list[Path]:
    return [path for path in _children(base) if path.name.lower() == name and path.is_dir()]


def _is_form_of(file: File, path: Path) -> bool:
    """Whether a file's name says that it holds this one of MNIST's, in any form."""
    plain = re.sub("[^a-z0-9]+", "-", path.name.lower())
    return plain.startswith(file.name) or _is_keras(path)


def _is_keras(path: Path) -> bool:
    return re.fullmatch(r"mnist[ _-]*(\(?\d+\)?)?\.npz", path.name.lower()) is not None


def _origin(path: Path) -> str:
    return short(path if _is_keras(path) else path.parent)


def _content(file: File, path: Path) -> bytes:
    """The bytes of a file; of Keras's mnist.npz, as they would stand in the idx file."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise Damaged("no plain file")  # to read a pipe is to wait for who writes into it
    if not _is_keras(path):
        return path.read_bytes()
    key = _KERAS[FILES.index(file)]
    try:
        if not zipfile.is_zipfile(path):
            raise Damaged("no npz archive")
        with np.load(path, allow_pickle=False) as arrays:
            if not {*_KERAS} <= {*arrays.files}:
                raise Damaged(
                    f"expected arrays {', '.join(_KERAS)}, got {', '.join(arrays.files)}"
                )
            values = arrays[key]
    except Damaged:
        raise
    except Exception as error:  # zipfile and NumPy each have many ways to say damaged
        raise Damaged(f"{key}: {reason(error)}") from None
    if values.dtype.kind not in "ui" or not ((values >= 0) & (values <= 255)).all():
        raise Damaged(f"{key}: {values.dtype}, expected whole numbers from 0 to 255")
    if values.squeeze().shape == file.shape:  # with a channel, or labels in a column
        values = values.reshape(file.shape)
    return _header(values.shape) + values.astype(np.uint8).tobytes()


def _header(shape: tuple[int, ...]) -> bytes:
    """Of an idx file of bytes: its kind and its shape."""
    return struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)


def _shape(raw: bytes) -> tuple[int, ...]:
    """What the header of an idx file says of it, as far as there is one."""
    sizes = raw[4 : 4 + 4 * raw[3]] if len(raw) > 3 else b""
    return struct.unpack(f">{len(sizes) // 4}I", sizes[: len(sizes) // 4 * 4])


def _decode(file: File, content: bytes) -> Tensor:
    """The tensor in the bytes of an idx file, or of a gzip archive of it, packed by whomever.

    Images stay uint8; labels become int64, which torch can index with. Raises Damaged, naming
    what was found and what was expected. The checksum matters: Fashion-MNIST has the same file
    names, and the same header.
    """
    header = _header(file.shape)
    length = len(header) + math.prod(file.shape)
    raw = content
    for _ in range(2):  # an archive of an archive: some browsers make them
        raw = _unpacked(raw, length + 1_024)  # what cannot be packed grows a little
    if raw[:3] != header[:3]:
        raise Damaged(f"no idx file, it begins with {raw[:4]}")
    _expect("shape", str(_shape(raw)), str(file.shape))
    _expect("size", f"{len(raw):,} bytes", f"{length:,} bytes")
    if (md5 := _md5(raw)) != file.raw_md5:
        if other := _OTHERS.get(md5) or _OTHERS.get(_md5(content)):
            raise Damaged(f"this is {other}, not MNIST")
        raise Damaged(f"damaged, or not MNIST's: md5 {md5}, expected {file.raw_md5}")
    values = np.frombuffer(raw, dtype=np.uint8, offset=len(header)).reshape(file.shape)
    return torch.from_numpy(values.copy() if values.ndim == 3 else values.astype(np.int64))


def _unpacked(content: bytes, most: int) -> bytes:
    """What a gzip archive holds, up to one byte more than `most`; all else as it is."""
    if not content.startswith(_GZIP):
        return content
    raw = b""
    while content.startswith(_GZIP) and len(raw) <= most:  # some archives have many parts
        part = zlib.decompressobj(wbits=31)
        try:
            raw += part.decompress(content, most + 1 - len(raw))
        except zlib.error as error:
            raise Damaged(f"damaged archive, {error}") from None
        content = part.unused_data
    return raw


def _expect(what: str, got: str, expected: str) -> None:
    if got != expected:
        raise Damaged(f"{what} {got}, expected {expected}")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


# --- A download ----------------------------------------------------------------------------------


def _fetch(folder: Path, found: dict[str, tuple[Tensor, str]], notes: list[str]) -> str:
    """Add to `found` what it lacks, verified and then saved in `folder`; returns what failed."""
    try:
        from torchvision.datasets import MNIST  # slow to import, and only a download needs it
    except Exception as error:  # a torchvision that does not fit torch must not stop a class
        return f"no download, as torchvision cannot be imported: {reason(error)}"
    failures, unsaved = [], ""
    for mirror in MNIST.mirrors:  # a mirror that fails once is left for the next
        try:
            for file in [file for file in FILES if file.name not in found]:
                archive = download(f"{mirror}{file.name}.gz", file.gz_bytes)
                _expect("size", f"{len(archive):,} bytes", f"{file.gz_bytes:,} bytes")
                _expect("md5", _md5(archive), file.gz_md5)
                tensor = _decode(file, archive)
                fault = try_to_write(folder / f"{file.name}.gz", archive)
                found[file.name] = tensor, "the network" if fault else short(folder)
                unsaved = unsaved or fault
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{urlsplit(mirror).netloc}: {reason(error)}")
        else:
            notes.append(f"not saved in {quoted(folder)}: {unsaved}" if unsaved else "downloaded")
            return ""
    return f"download failed, {', '.join(failures)}"
