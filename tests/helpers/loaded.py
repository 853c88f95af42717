"""What is looked at after the data were loaded: the digits, the line and the folders."""

import hashlib
import os
from pathlib import Path

import torch

from course_utils import files
from course_utils.data import ImageData, digits, mnist, strokes

COUNTS = (60, 20)  # drawn digits and faces in these tests


def strokes_file() -> str:
    return f"strokes-{digits._fingerprint(strokes.digits)}.pt"


def faces_file() -> str:
    return f"faces-{digits._fingerprint(strokes.faces)}.pt"


def listing(folder: Path) -> dict[str, str]:
    """Every path under a folder, with the digest of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def cached(checkout: Path) -> list[str]:
    return sorted(path for path in listing(checkout) if path != "pyproject.toml")


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def assert_whole_archives(checkout: Path, archives: dict[str, bytes]) -> None:
    """The cache holds the four archives, byte for byte, and nothing else."""
    raw = checkout / "data" / "cache" / "MNIST" / "raw"
    assert cached(checkout) == sorted(f"data/cache/MNIST/raw/{name}" for name in archives)
    assert all((raw / name).read_bytes() == content for name, content in archives.items())


def assert_is_mnist(data: ImageData) -> None:
    counts = [file.shape[0] for file in mnist.FILES]
    assert data.name == "mnist"
    assert data.train_factors is data.test_factors is None
    assert data.train_images.shape == (counts[0], 28, 28)
    assert data.test_images.shape == (counts[2], 28, 28)
    assert data.train_labels.shape == (counts[1],) and data.test_labels.shape == (counts[3],)
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64


def assert_is_drawn(data: ImageData) -> None:
    assert data.name == "strokes"
    parts = [
        (data.train_images, data.train_labels, data.train_factors),
        (data.test_images, data.test_labels, data.test_factors),
    ]
    for count, (images, labels, factors) in zip(COUNTS, parts, strict=True):
        assert images.shape == (count, 28, 28) and images.dtype == torch.uint8
        assert labels.shape == (count,) and labels.dtype == torch.int64
        assert factors and all(factor.shape == (count,) for factor in factors.values())


def in_full(text: str) -> str:
    """Paths under COURSE_DATA and the checkout are printed relative to them: undo that."""
    text = text.replace("$COURSE_DATA", os.environ.get("COURSE_DATA", "$COURSE_DATA"))
    for before in (" ", '"'):  # a path, or one in quotes
        text = text.replace(
            f"{before}data/cache", f"{before}{files.CHECKOUT.as_posix()}/data/cache"
        )
    return text


def the_line(capsys) -> str:
    """What was printed: one line, with its paths in full."""
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.endswith("\n")
    return in_full(out.strip())


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
