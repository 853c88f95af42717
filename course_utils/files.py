"""Where files lie, and how a file is written: whole or not at all."""

import os
import secrets
from pathlib import Path
from urllib.error import HTTPError

import platformdirs

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent  # where the package stands in one; a wheel has none


def in_checkout() -> bool:
    """Whether the package is used from a checkout of the course, not from a wheel."""
    return (CHECKOUT / "pyproject.toml").is_file()


def data_root(root: str | os.PathLike | None = None) -> Path:
    """Where data are looked for first: `root`, else `COURSE_DATA`, else `cache_root()`.

    A folder that the user supplied, never to be written to: what is saved goes to `cache_root()`.

    Args:
        root: a folder, `~` in it for the home folder; None for the variable or the cache.
    Returns:
        An absolute path, of a folder that may not exist.
    """
    chosen = root if root is not None else os.environ.get("COURSE_DATA") or cache_root()
    return Path(chosen).expanduser().absolute()


def data_roots(root: str | os.PathLike | None = None) -> list[Path]:
    """The folders that data are looked for in, in this order: `data_root(root)`, `cache_root()`.

    Returns:
        One folder where both are the same, with the cache always the last.
    """
    user, cache = data_root(root), cache_root()
    return [cache] if user.resolve() == cache.resolve() else [user, cache]


def cache_root() -> Path:
    """Where the course writes: the checkout's data/cache/, else the user's cache folder.

    The folder may not exist yet.
    """
    if in_checkout():
        return CHECKOUT / "data" / "cache"
    return Path(platformdirs.user_cache_dir("vae-course", appauthor=False))


def results_root() -> Path:
    """Where recorded figures lie: the checkout's data/results/, else the copy in the wheel."""
    return CHECKOUT / "data" / "results" if in_checkout() else PACKAGE / "results"


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file aside, then put it in place in one step; its folder is made when missing.

    Readers see the old file or the new one, never half of one, whatever fails in between.

    Args:
        path: of the file; what lies there is replaced.
        content: all that the file is to hold.
    Raises:
        OSError: when the file cannot be written; an older file of that name is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(aside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def try_to_write(path: Path, content: bytes | memoryview) -> str:
    """As `write_whole`, for what can be had again: a full disk then stops nobody.

    Returns:
        "", or in a few words why the file was not written.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        return reason(error)
    return ""


def short(path: Path) -> str:
    """A path for a printed line: from COURSE_DATA, the checkout or the home folder on.

    So that a stored output names no folder of the machine that it was made on.
    """
    bases = {"$COURSE_DATA": os.environ.get("COURSE_DATA"), "": CHECKOUT, "~": Path.home()}
    for name, base in bases.items():
        if base and path.is_relative_to(base := Path(base).expanduser().absolute()):
            return (Path(name) / path.relative_to(base)).as_posix()
    return str(path)


def reason(error: Exception) -> str:
    """Why a file could not be read, written or fetched, in at most 120 letters."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    cause = getattr(error, "reason", error)  # urllib wraps the error that matters
    words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return words.splitlines()[0][:120]
