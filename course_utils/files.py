"""Where files lie, and how a file is written: whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import platformdirs

from course_utils.arguments import described

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent  # where the package stands in one; a wheel has none


def in_checkout() -> bool:
    """Whether the package is used from a checkout of the course, not from a wheel."""
    return (CHECKOUT / "pyproject.toml").is_file()


def data_root(root: str | os.PathLike | None = None) -> Path:
    """Where data are looked for first: `root`, else `COURSE_DATA`, else `cache_root()`.

    A folder that the user supplied, never to be written to: what is saved goes to `cache_root()`.

    Args:
        root: a folder, `~` in it for the home folder; None for the variable or the cache. Quotes
            and spaces around the variable are dropped: some systems keep them as they are typed.
    Returns:
        An absolute path, of a folder that may not exist.
    Raises:
        ValueError: for a `root` that is no path.
    """
    chosen = root if root is not None else variable("COURSE_DATA") or cache_root()
    return user_path("root", chosen).absolute()


def variable(name: str) -> str:
    """An environment variable without the spaces and quotes around it; "" where there is none."""
    value = os.environ.get(name, "").strip()
    is_quoted = value[:1] == value[-1:] and value[:1] in ("'", '"')
    return value[1:-1] if is_quoted else value


def user_path(name: str, value: str | os.PathLike, kind: str = "folder") -> Path:
    """A path that the user gave for the argument `name`, with `~` for the home folder.

    Args:
        kind: what should lie there, for the message.
    Raises:
        ValueError: for what is no path.
    """
    if not isinstance(value, str | os.PathLike) or "\0" in str(value):
        raise ValueError(f"{name}: expected a {kind}'s path, got {described(value)}")
    path = Path(value)
    with suppress(RuntimeError):  # the home of ~name is unknown: messages show it as it is
        path = path.expanduser()
    return path


def file_to_write(name: str, value: str | os.PathLike) -> Path:
    """As `user_path`, for a file that is to be written.

    Raises:
        ValueError: for what is no path, and for a folder.
    """
    path = user_path(name, value, "file")
    if path.is_dir():
        raise ValueError(f"{name}: expected a file's path, got the folder {quoted(path)}")
    return path


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
    if variable("COURSE_DATA") and path.is_relative_to(base := data_root()):
        return (Path("$COURSE_DATA") / path.relative_to(base)).as_posix()
    return _within(path)


def quoted(path: Path) -> str:
    """A path that something is wrong with, in quotes: what was looked at, from ~ on.

    Never from COURSE_DATA on, as its value may be what is wrong.
    """
    letters = (
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in _within(path)
    )
    return f'"{"".join(letters)}"'


def _within(path: Path) -> str:
    for name, base in (("", CHECKOUT), ("~", Path.home())):
        if path.is_relative_to(base):
            return (Path(name) / path.relative_to(base)).as_posix()
    return str(path)


def no_folder(path: Path) -> str:
    """Why nothing can be found in a folder: missing, a file, closed; "" where it can be read."""
    try:
        with os.scandir(path):
            return ""
    except FileNotFoundError:
        return f"{quoted(path)} does not exist"
    except NotADirectoryError:
        what = "is a file, expected a folder" if os.path.exists(path) else "does not exist"
        return f"{quoted(path)} {what}"
    except OSError as error:
        return f"{quoted(path)} cannot be read: {reason(error)}"


def reason(error: Exception) -> str:
    """Why a file could not be read, written or fetched, in at most 120 letters."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    cause = getattr(error, "reason", error)  # urllib wraps the error that matters
    words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return words.splitlines()[0][:120]
