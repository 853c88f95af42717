"""Disks that are full, read-only or in use, for the code that writes files."""

import errno
import io
import os

from course_utils import files


def fail_to_open(path, mode):
    raise OSError(errno.EROFS, "Read-only file system")


def fail_to_rename(source, target):
    raise PermissionError(errno.EACCES, "Permission denied")  # Windows: another process reads it


class FullDisk(io.FileIO):
    """A file on a disk that has room for half of what is written."""

    def write(self, content):
        super().write(bytes(content[: len(content) // 2]))
        if not os.path.exists("/dev/full"):
            raise OSError(errno.ENOSPC, "No space left on device")
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")  # the system's own error


# What is put in the place of a function, and the system's words for it.
FAULTS = {
    "read-only": (files, "open", fail_to_open, "Read-only file system"),
    "full": (files, "open", FullDisk, "No space left on device"),
    "in use": (os, "replace", fail_to_rename, "Permission denied"),
}


def spoil(monkeypatch, fault: str) -> str:
    """Let every file that the course writes meet a fault; returns the system's words for it."""
    owner, name, substitute, words = FAULTS[fault]
    monkeypatch.setattr(owner, name, substitute, raising=False)  # the module has no open yet
    return words
