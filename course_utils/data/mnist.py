"""MNIST: its four files from a folder, the cache or a verified download."""

import gzip
import hashlib
import math
import os
import queue
import struct
import threading
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from course_utils import __version__
from course_utils.files import data_roots, reason, short, try_to_write

_LAYOUTS = ("MNIST/raw", "raw", ".")  # where MNIST's files may lie under a data root
_SILENCE = 10.0  # seconds without a byte after which a mirror is given up
_CRAWL_SECONDS, _CRAWL_BYTES = 20.0, 100_000  # fewer bytes in so long a time: given up as well


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
# fmt: on


class Damaged(ValueError):
    """The bytes are not those of the file that they should be."""


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
    found: dict[str, tuple[Tensor, str]] = {}
    *supplied, cache = data_roots(root)  # none supplied, or one
    for user in supplied:
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
    places = dict.fromkeys(found[file.name][1] for file in FILES)
    return [found[file.name][0] for file in FILES], " and ".join(places)


def _search(base: Path, found: dict[str, tuple[Tensor, str]]) -> list[str]:
    """Add to `found` what lies whole under `base`; returns what is there but of no use."""
    unusable = []
    for file in [file for file in FILES if file.name not in found]:
        faults = []
        for path in [base / la / f"{file.name}{end}" for la in _LAYOUTS for end in (".gz", "")]:
            try:
                tensor = _decode(file, path.read_bytes(), packed=path.suffix == ".gz")
                found[file.name] = tensor, short(path.parent)
                break
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, Damaged) as error:
                faults.append(f"unusable {short(path)}: {reason(error)}")
        else:
            unusable += faults
    return unusable


def _lacking(base: Path, found: dict[str, tuple[Tensor, str]]) -> list[str]:
    """What to say of a folder that was searched and leaves something to be found."""
    missing = [file.name for file in FILES if file.name not in found]
    absent = "" if os.path.isdir(base) else ", which does not exist"
    what = ", ".join(missing) if found else "MNIST"
    return [f"no {what} in {short(base)}{absent}"] if missing else []


def _decode(file: File, content: bytes, packed: bool) -> Tensor:
    """The tensor in the bytes of an idx file, or of its gzip archive if `packed`.

    Images stay uint8; labels become int64, which torch can index with. Raises Damaged, naming
    what was found and what was expected. A raw file's checksum matters: Fashion-MNIST has the
    same file names, and the same header.
    """

    def expect(what: str, got: str, expected: str) -> None:
        if got != expected:
            raise Damaged(f"{what} {got}, expected {expected}")

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
    values = np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(file.shape)
    return torch.from_numpy(values.copy() if values.ndim == 3 else values.astype(np.int64))


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
                archive = _download(f"{mirror}{file.name}.gz", file.gz_bytes)
                tensor = _decode(file, archive, packed=True)
                fault = try_to_write(folder / f"{file.name}.gz", archive)
                found[file.name] = tensor, "the network" if fault else short(folder)
                unsaved = unsaved or fault
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{urlsplit(mirror).netloc}: {reason(error)}")
        else:
            notes.append(f"not saved in {short(folder)}: {unsaved}" if unsaved else "downloaded")
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
