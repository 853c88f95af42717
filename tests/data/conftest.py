"""What the tests of the data share: an empty checkout, archives, mirrors; no network is reached.

Each fault is made, and the real code meets it. The mirrors serve small archives made here; the
real ones, where they are to be had (`COURSE_DATA`, or the course's cache), wherever size may be
the point.
"""

import os
import socket
from pathlib import Path

import pytest

pytest.register_assert_rewrite("helpers.loaded", "helpers.together")

from helpers.loaded import COUNTS  # noqa: E402
from helpers.mirror import REAL, small_files, use_mirrors  # noqa: E402

from course_utils import files  # noqa: E402
from course_utils.data import digits, mnist  # noqa: E402


@pytest.fixture
def checkout(tmp_path, monkeypatch, refusing) -> Path:
    """An empty checkout, no variables, no network: what a test of loading starts from."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("COURSE_DATA", "COURSE_DIGITS"):
            monkeypatch.delenv(name)
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.setattr(files, "CHECKOUT", folder)
    monkeypatch.setattr(digits, "_STROKES_COUNTS", COUNTS)
    monkeypatch.setattr(digits, "_FACES_COUNTS", COUNTS)
    use_mirrors(monkeypatch, refusing)
    return folder


@pytest.fixture(scope="session")
def small_archives() -> dict[mnist.File, bytes]:
    return small_files()


@pytest.fixture
def small(monkeypatch, small_archives) -> dict[str, bytes]:
    """Small archives in the place of MNIST's."""
    monkeypatch.setattr(mnist, "FILES", tuple(small_archives))
    return {f"{file.name}.gz": packed for file, packed in small_archives.items()}


@pytest.fixture
def archives(request) -> dict[str, bytes]:
    """The real archives where they are to be had, else small ones."""
    return dict(REAL) if REAL else request.getfixturevalue("small")


@pytest.fixture(scope="session")
def refusing():
    """Address of a port that is taken and not listened on: connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
