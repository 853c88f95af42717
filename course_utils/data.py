"""The digits: MNIST, verified, or digits drawn by `strokes` where MNIST cannot be had; faces.

`load_digits()` looks for MNIST's files, else downloads them, else draws digits: it works with no
network and no files, prints one line that says what it did, and never leaves half a file behind.
`load_faces()` draws faces; what has been drawn is kept, and found the next time.
Pixels travel as uint8; `as_float` and `binarize` turn them into what a model reads.
"""

import gzip
import hashlib
import io
import json
import math
import os
import queue
import struct
import sysconfig
import threading
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit

import numpy as np
import platformdirs
import torch
from torch import Tensor
from tqdm.auto import tqdm

from course_utils import __version__, strokes

SOURCES = ("auto", "mnist", "strokes")

_CHECKOUT = Path(__file__).resolve().parent.parent
_STROKES_COUNTS, _FACES_COUNTS = (60_000, 10_000), (10_000, 2_000)  # train, test
_STROKES_HASH = hashlib.sha256(Path(strokes.__file__).read_bytes()).hexdigest()  # as imported
_STROKES_FILE = f"strokes-{_STROKES_HASH[:8]}.pt"  # other code, other digits, another file
_FACES_FILE = f"faces-{_STROKES_HASH[:8]}.pt"
_LAYOUTS = ("MNIST/raw", "raw", ".")  # where MNIST's files may lie under a data root
_SILENCE = 10.0  # seconds without a byte after which a mirror is given up
_CRAWL_SECONDS, _CRAWL_BYTES = 20.0, 100_000  # fewer bytes in so long a time: given up as well


class _File(NamedTuple):
    """One of MNIST's four files: the shape in it; size and md5 of the archive, md5 unpacked."""

    name: str
    shape: tuple[int, ...]
    gz_bytes: int
    gz_md5: str
    raw_md5: str


# fmt: off
_FILES = (
    _File("train-images-idx3-ubyte", (60_000, 28, 28), 9_912_422,
          "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
    _File("train-labels-idx1-ubyte", (60_000,), 28_881,
          "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
    _File("t10k-images-idx3-ubyte", (10_000, 28, 28), 1_648_877,
          "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
    _File("t10k-labels-idx1-ubyte", (10_000,), 4_542,
          "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
)
# fmt: on


class MNISTUnavailable(RuntimeError):
    """MNIST was asked for and cannot be had. The message says why, and how to supply it."""


class _Damaged(ValueError):
    """The bytes are not those of the file that they should be."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Images with their labels and, where they were drawn, the factors that they were drawn from.

    Attributes:
        name: `"mnist"`, `"strokes"` or `"faces"`.
        train_images, test_images: (N, 28, 28) uint8; 0 is background, 255 is ink.
        train_labels, test_labels: (N,) int64.
        train_factors, test_factors: factor name -> (N,), or None for MNIST.
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
    loaded = None if source == "strokes" else _load_mnist(root, notes, strict=source == "mnist")
    if loaded is None and source == "mnist":
        archives = ", ".join(f"{file.name}.gz" for file in _FILES)
        raise MNISTUnavailable(
            f"MNIST cannot be had: {'; '.join(notes)}.\nThree ways to get it:\n"
            "  1. Connect to the network and run this again.\n"
            f"  2. Put {archives} in a folder, and pass root= or set COURSE_DATA to that folder.\n"
            "  3. Copy the folder MNIST/raw of a colleague, or of torchvision, into "
            f"{_short(cache_root())}.\n"
            'Or draw the digits instead: load_digits("strokes").'
        )
    title = "MNIST" if loaded else "Drawn digits" + " instead of MNIST" * (source == "auto")
    data, where = loaded or _load_drawn(
        "strokes", _STROKES_FILE, _STROKES_COUNTS, strokes.digits, root, notes
    )
    _tell(title, data, where, notes)
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
    data, where = _load_drawn("faces", _FACES_FILE, _FACES_COUNTS, strokes.faces, root, notes)
    _tell("Drawn faces", data, where, notes)
    return data


def _tell(title: str, data: ImageData, where: str, notes: list[str]) -> None:
    """Print the one line: what was loaded, from where, and what else there is to say."""
    why = f" ({'; '.join(notes)})" if notes else ""
    print(
        f"{title}: {len(data.train_images):,} + {len(data.test_images):,} images from {where}{why}"
    )


def as_float(images: Tensor) -> Tensor:
    """Images (N, 28, 28) or (N, D), uint8 or floats in [0, 1], as float32 (N, D) in [0, 1].

    May share memory with `images` when they are float32 already.

    Raises:
        ValueError: for another dtype, values outside [0, 1], or a single image without N.
    """
    if not isinstance(images, Tensor):
        raise ValueError(f"expected images as a tensor, got {type(images).__name__}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"expected uint8 or floating-point images, got {images.dtype}")
    shape = tuple(images.shape)
    if len(shape) < 2 or shape == (28, 28):
        raise ValueError(f"expected images of shape (N, 28, 28) or (N, D), got {shape}")
    pixels = images.reshape(shape[0], math.prod(shape[1:])).to(torch.float32)
    if images.dtype == torch.uint8:
        return pixels.div_(255)
    if pixels.numel() and not (pixels.min() >= 0 and pixels.max() <= 1):  # not: catches NaN too
        low, high = pixels.min().item(), pixels.max().item()
        raise ValueError(f"expected floating-point images in [0, 1], got {low:g} to {high:g}")
    return pixels


def binarize(images: Tensor, seed: int = 0) -> Tensor:
    """Black-and-white images (N, D), float32: each pixel is 1 with probability its grey value.

    Its own generator draws, on the CPU: the result depends on `images` and `seed` alone, not on
    the device, and no other random stream moves.

    Args:
        images: (N, 28, 28) or (N, D), uint8 or floats in [0, 1].
        seed: seed of the draw.
    Raises:
        ValueError: as `as_float`.
    """
    grey = as_float(images)
    uniform = torch.rand(grey.shape, generator=torch.Generator().manual_seed(seed))
    return uniform.to(grey.device).lt_(grey)  # in place: a second copy of MNIST takes 188 MB


def data_root(root: str | os.PathLike | None = None) -> Path:
    """Where data are looked for first: `root`, else `COURSE_DATA`, else `cache_root()`.

    A folder that the user supplied, never to be written to: what is saved goes to `cache_root()`.
    """
    chosen = root if root is not None else os.environ.get("COURSE_DATA") or cache_root()
    return Path(chosen).expanduser().absolute()


def cache_root() -> Path:
    """Where the course writes: the checkout's data/cache/, else the user's cache folder.

    The folder may not exist yet.
    """
    if (_CHECKOUT / "pyproject.toml").is_file():
        return _CHECKOUT / "data" / "cache"
    return Path(platformdirs.user_cache_dir("vae-course", appauthor=False))


def load_result(name: str) -> dict:
    """A measurement recorded in `data/results/NAME.json`: figures, machine, date, command, seed.

    Raises:
        FileNotFoundError: when there is no such record; names those that there are.
    """
    folder = _CHECKOUT / "data" / "results"
    if not folder.is_dir():  # no checkout: a wheel puts them beside the interpreter's own data
        folder = Path(sysconfig.get_path("data")) / "share" / "vae-course" / "results"
    path = folder / f"{name}.json"
    if not path.is_file():
        there = sorted(file.stem for file in folder.glob("*.json"))
        raise FileNotFoundError(f"expected a recorded result, one of {there}, got {name!r}")
    return json.loads(path.read_text(encoding="utf-8"))


def _chosen_source(source: str) -> str:
    """`source`, with `COURSE_DIGITS` in the place of `"auto"`; a ValueError for anything else."""
    variable = os.environ.get("COURSE_DIGITS") if source == "auto" else None
    chosen, named = (variable, "COURSE_DIGITS") if variable else (source, "source")
    if chosen not in SOURCES:
        raise ValueError(f"{named}: expected 'auto', 'mnist' or 'strokes', got {chosen!r}")
    return chosen


# --- MNIST ---------------------------------------------------------------------------------------


def _load_mnist(
    root: str | os.PathLike | None, notes: list[str], strict: bool
) -> tuple[ImageData, str] | None:
    """MNIST and where it came from; or None, and `notes` say why.

    Each file comes from the first place that has it whole: the user's folder, the cache, a mirror.
    With `strict`, a damaged file in the user's folder ends the search.
    """
    user, cache = data_root(root), cache_root()
    found: dict[str, tuple[Tensor, str]] = {}
    if user.resolve() != cache.resolve():
        faults = _search(user, found)
        notes += faults or _lacking(user, found)
        if faults and strict:
            return None
    faults = _search(cache, found)
    nowhere = faults or _lacking(cache, found)
    if nowhere and (failure := _fetch(cache / _LAYOUTS[0], found, notes)):
        notes += [*nowhere, failure]
        return None
    notes += [f"instead of {fault}" for fault in faults]
    tensors = [found[file.name][0] for file in _FILES]
    places = dict.fromkeys(found[file.name][1] for file in _FILES)
    images, labels = tensors[0::2], [t.to(torch.int64) for t in tensors[1::2]]
    return ImageData("mnist", images[0], labels[0], images[1], labels[1]), " and ".join(places)


def _search(base: Path, found: dict[str, tuple[Tensor, str]]) -> list[str]:
    """Add to `found` what lies whole under `base`; returns what is there but of no use."""
    unusable = []
    for file in [file for file in _FILES if file.name not in found]:
        faults = []
        for path in [base / la / f"{file.name}{end}" for la in _LAYOUTS for end in (".gz", "")]:
            try:
                pixels = _decode(file, path.read_bytes(), packed=path.suffix == ".gz")
                found[file.name] = pixels, _short(path.parent)
                break
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, _Damaged) as error:
                faults.append(f"unusable {_short(path)}: {_reason(error)}")
        else:
            unusable += faults
    return unusable


def _lacking(base: Path, found: dict[str, tuple[Tensor, str]]) -> list[str]:
    """What to say of a folder that was searched and leaves something to be found."""
    missing = [file.name for file in _FILES if file.name not in found]
    absent = "" if os.path.isdir(base) else ", which does not exist"
    what = ", ".join(missing) if found else "MNIST"
    return [f"no {what} in {_short(base)}{absent}"] if missing else []


def _decode(file: _File, content: bytes, packed: bool) -> Tensor:
    """The tensor in the bytes of an idx file, or of its gzip archive if `packed`.

    Raises _Damaged, naming what was found and what was expected. A raw file's checksum matters:
    Fashion-MNIST has the same file names, and the same header.
    """

    def expect(what: str, got: str, expected: str) -> None:
        if got != expected:
            raise _Damaged(f"{what} {got}, expected {expected}")

    def md5() -> str:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    header = struct.pack(f">{1 + len(file.shape)}I", 0x0800 + len(file.shape), *file.shape)
    if packed:
        expect("size", f"{len(content):,} bytes", f"{file.gz_bytes:,} bytes")
        expect("md5", md5(), file.gz_md5)
        content = gzip.decompress(content)
    expect("idx header", content[: len(header)].hex(" ", 4), header.hex(" ", 4))
    length = len(header) + math.prod(file.shape)
    expect("size", f"{len(content):,} bytes", f"{length:,} bytes")
    if not packed:
        expect("md5", md5(), file.raw_md5)
    pixels = np.frombuffer(content, dtype=np.uint8, offset=len(header))
    return torch.from_numpy(pixels.reshape(file.shape).copy())


def _fetch(folder: Path, found: dict[str, tuple[Tensor, str]], notes: list[str]) -> str:
    """Add to `found` what it lacks, verified and then saved in `folder`; returns what failed."""
    try:
        from torchvision.datasets import MNIST  # slow to import, and only a download needs it
    except Exception as error:  # a torchvision that does not fit torch must not stop a class
        return f"no download, as torchvision cannot be imported: {_reason(error)}"
    failures, unsaved = [], ""
    for mirror in MNIST.mirrors:  # a mirror that fails once is left for the next
        try:
            for file in [file for file in _FILES if file.name not in found]:
                archive = _download(f"{mirror}{file.name}.gz", file.gz_bytes)
                pixels = _decode(file, archive, packed=True)
                fault = _store(folder / f"{file.name}.gz", archive)
                found[file.name] = pixels, "the network" if fault else _short(folder)
                unsaved = unsaved or fault
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{urlsplit(mirror).netloc}: {_reason(error)}")
        else:
            notes.append(f"not saved in {_short(folder)}: {unsaved}" if unsaved else "downloaded")
            return ""
    return f"download failed, {', '.join(failures)}"


def _download(url: str, size: int) -> bytes:
    """The bytes at `url`, at most `size`; OSError when the mirror is silent, or crawls.

    A thread reads and this one watches the clock, because a socket's time limit holds for one read
    from one address: looking up the name, trying eight addresses in turn, or a server that sends
    a byte every nine seconds would each outlast it.
    """
    chunks: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    stop = threading.Event()

    def read() -> None:
        try:
            request = urllib.request.Request(
                url, headers={"User-Agent": f"course_utils/{__version__}"}
            )
            with urllib.request.urlopen(request, timeout=_SILENCE) as response:
                while not stop.is_set() and (chunk := response.read1(65_536)):
                    chunks.put(chunk)
            chunks.put(b"")
        except Exception as error:  # handed over: it is raised where it can be caught
            if isinstance(error, HTTPError):
                error.close()
            chunks.put(error)

    threading.Thread(target=read, daemon=True).start()
    body, mark, since = bytearray(), 0, time.monotonic()
    try:
        with tqdm(
            desc=url.rpartition("/")[2], total=size, unit="B", unit_scale=True, leave=False
        ) as bar:
            while len(body) <= size:
                chunk = chunks.get(timeout=_SILENCE)
                if isinstance(chunk, Exception):
                    raise chunk
                if not chunk:
                    break
                body += chunk
                bar.update(len(chunk))
                if len(body) < size and time.monotonic() - since > _CRAWL_SECONDS:
                    if len(body) - mark < _CRAWL_BYTES:
                        raise TimeoutError(f"{len(body) - mark:,} bytes in {_CRAWL_SECONDS:g} s")
                    mark, since = len(body), time.monotonic()
    except queue.Empty:
        raise TimeoutError(f"silent for {_SILENCE:g} s") from None
    finally:
        stop.set()
    return bytes(body)


# --- Drawn digits and faces ----------------------------------------------------------------------


def _load_drawn(
    name: str,
    file: str,
    counts: tuple[int, int],
    draw: Callable[..., tuple[Tensor, Tensor, dict[str, Tensor]]],
    root: str | os.PathLike | None,
    notes: list[str],
) -> tuple[ImageData, str]:
    """The images that `draw(count, seed=)` draws, from a cached file or drawn now, and from where.

    `counts` are those of training and test images, drawn from the seeds 1 and 2.
    """
    cached = cache_root() / file
    for path in dict.fromkeys([data_root(root) / file, cached]):
        try:
            return _read_drawn(path, name, counts), _short(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Exception as error:  # zipfile and torch.load each have many ways to say damaged
            notes.append(f"unusable {_short(path)}: {_reason(error)}")
    (train, train_labels, train_factors), (test, test_labels, test_factors) = (
        draw(count, seed=seed) for seed, count in enumerate(counts, start=1)
    )
    data = ImageData(name, train, train_labels, test, test_labels, train_factors, test_factors)
    buffer = io.BytesIO()
    torch.save({key: value for key, value in vars(data).items() if key != "name"}, buffer)
    if unsaved := _store(cached, buffer.getvalue()):
        notes.append(f"not saved in {_short(cached.parent)}: {unsaved}")
        return data, "course_utils.strokes"
    notes.append("drawn now")
    for old in cached.parent.glob(f"{name}-{'[0-9a-f]' * 8}.pt"):
        if old.name != cached.name:
            with suppress(OSError):
                old.unlink()
    return data, _short(cached)


def _read_drawn(path: Path, name: str, counts: tuple[int, int]) -> ImageData:
    """Drawn images from a file, checked: torch.load itself does not look at the checksums."""
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise _Damaged("wrong checksum")
    data = ImageData(name, **torch.load(path, weights_only=True))
    if (len(data.train_images), len(data.test_images)) != counts:
        raise _Damaged(f"expected {counts} images, got {data}")
    return data


# --- Files and words -----------------------------------------------------------------------------


def _store(path: Path, content: bytes) -> str:
    """Write a file whole or not at all; returns "", or why it could not be written."""
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(aside, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    """An exception in a few words."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", error)  # urllib wraps the error that matters
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return words.splitlines()[0][:120]


def _short(path: Path) -> str:
    """A path for a printed line: relative to COURSE_DATA, the checkout or the home folder."""
    bases = {"$COURSE_DATA": os.environ.get("COURSE_DATA"), "": _CHECKOUT, "~": Path.home()}
    for name, base in bases.items():
        if base and path.is_relative_to(base := Path(base).expanduser().absolute()):
            return (Path(name) / path.relative_to(base)).as_posix()
    return str(path)
