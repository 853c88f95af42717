"""Unix users for a test: made by root, removed with all that they still run."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

with suppress(ImportError):  # Windows has none, and no test there asks for users
    import pwd

COMMENT = "vae-course test"
COUNT = itertools.count()  # no two users of a process have the same name


class Unavailable(Exception):
    """What the test takes cannot be had here; the message says why."""


@dataclass
class User:
    """A user of this machine."""

    name: str
    home: Path
    uid: int


def skip_without(*needed) -> None:
    """Skip the test where one of these functions says `Unavailable`."""
    try:
        for have in needed:
            have()
    except Unavailable as why:
        pytest.skip(f"not here: {why}")


def can_make_users() -> None:
    """
    Raises:
        Unavailable: only root can, on Linux.
    """
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("useradd") is None:
        raise Unavailable("Unix users are made by root, on Linux, with useradd")


def command(*arguments, what: str, **more) -> str:
    """What a command prints.

    Raises:
        Unavailable: it fails; the message has the last line of what it said.
    """
    run = subprocess.run([*map(str, arguments)], capture_output=True, text=True, **more)
    if run.returncode != 0:
        said = (run.stderr or run.stdout).strip().splitlines()
        raise Unavailable(f"{what}: {said[-1] if said else run.returncode}")
    return run.stdout


def public_python() -> Path:
    """A Python of the running version that every user may run: root's own may lie in /root."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.base_prefix) / "bin" / name, Path("/usr/bin") / name):
        with suppress(OSError):
            if path.exists() and as_nobody(path, "-c", "import venv").returncode == 0:
                return path
    raise Unavailable(f"no {name} that other users may run: this one lies in {sys.base_prefix}")


def as_user(name: str) -> dict:
    """What `subprocess` takes to run a command as that user, with the user's groups."""
    entry = pwd.getpwnam(name)
    groups = os.getgrouplist(name, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}


def as_nobody(*arguments, **more) -> subprocess.CompletedProcess:
    quiet = {"capture_output": True, "text": True, "cwd": "/"}
    return subprocess.run([*map(str, arguments)], **quiet, **as_user("nobody"), **more)


def packages() -> list[str]:
    """The folders of the running environment's packages."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def can_read(package: str) -> None:
    """
    Raises:
        Unavailable: other users may not read this package of the running environment.
    """
    program = f"import importlib.util as u; open(u.find_spec({package!r}).origin)"
    env = {"PYTHONPATH": os.pathsep.join(packages())}
    said = as_nobody(public_python(), "-c", program, env=env)
    if said.returncode != 0:
        raise Unavailable(f"other users may not read {package}: {said.stderr[-200:].strip()}")


def make_user(homes: Path, skeleton: Path, *more: str) -> User:
    """A new user with a home below `homes`, which holds a copy of `skeleton`."""
    name = f"vaeclass{os.getpid()}x{next(COUNT)}"
    add = ["useradd", "--create-home", "--base-dir", homes, "--skel", skeleton]
    add += ["--key", "HOME_MODE=0700", "--shell", "/bin/bash", "--comment", COMMENT, *more, name]
    command(*add, what="useradd")
    entry = pwd.getpwnam(name)
    return User(name, Path(entry.pw_dir), entry.pw_uid)


def is_user(name: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def remove_user(name: str) -> None:
    """End what the user still runs, then remove the user and the home."""
    uid = pwd.getpwnam(name).pw_uid
    for process in processes_of(uid):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    give_up = time.monotonic() + 20
    while processes_of(uid) and time.monotonic() < give_up:
        time.sleep(0.1)
    subprocess.run(["userdel", "--remove", name], capture_output=True, check=False)


def remove_left_users() -> None:
    """Those of a test that was ended before it could remove them."""
    for entry in pwd.getpwall():
        found = re.fullmatch(r"vaeclass(\d+)x\d+", entry.pw_name)
        if found and entry.pw_gecos == COMMENT and not Path(f"/proc/{found[1]}").exists():
            remove_user(entry.pw_name)


def processes_of(uid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if folder.stat().st_uid == uid and (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return found
