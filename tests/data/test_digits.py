"""Loading: which source is taken, what is drawn and kept, and what disks and kernels do to it."""

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from helpers.disks import FAULTS, FullDisk, spoil
from helpers.loaded import (
    COUNTS,
    assert_is_drawn,
    assert_is_mnist,
    assert_whole_archives,
    cached,
    faces_file,
    flipped,
    listing,
    put,
    strokes_file,
    the_line,
    truncated,
)
from helpers.mirror import TRAIN_IMAGES, Mirror, use_mirrors
from helpers.together import child_environment, run_twice_at_once

from course_utils import files
from course_utils.data import MNISTUnavailable, digits, load_digits, load_faces, mnist, strokes

pytestmark = pytest.mark.usefixtures("checkout")


# --- Sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["MNIST", "", None, 3, ["mnist"]])
def test_unknown_source(source, capsys):
    with pytest.raises(ValueError, match="source: expected 'auto', 'mnist' or 'strokes', got"):
        load_digits(source)
    assert capsys.readouterr().out == ""


def test_variable_names_the_source(monkeypatch, small, tmp_path, capsys):
    folder = put(tmp_path / "user", small)
    monkeypatch.setenv("COURSE_DIGITS", "strokes")
    assert_is_drawn(load_digits(root=folder))
    assert the_line(capsys).startswith("Drawn digits: 60 + 20 images from ")
    assert_is_mnist(load_digits("mnist", root=folder))  # what the code asks for is not replaced
    monkeypatch.setenv("COURSE_DIGITS", "mnist")
    with pytest.raises(MNISTUnavailable):
        load_digits()
    monkeypatch.setenv("COURSE_DIGITS", "fashion")
    with pytest.raises(ValueError, match="COURSE_DIGITS: expected .* got 'fashion'"):
        load_digits()
    monkeypatch.setenv("COURSE_DIGITS", ' "mnist"')
    assert_is_mnist(load_digits(root=folder))
    monkeypatch.setenv("COURSE_DIGITS", "")
    assert_is_mnist(load_digits(root=folder))


def test_image_data_is_frozen():
    data = load_digits("strokes")
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "mnist"


# --- Drawn now, and kept -------------------------------------------------------------------------


def test_how_many_are_drawn(monkeypatch):
    monkeypatch.undo()
    assert digits._STROKES_COUNTS == (60_000, 10_000)
    assert digits._FACES_COUNTS == (10_000, 2_000)


def test_drawn_digits_are_cached(checkout, capsys):
    first = load_digits("strokes")
    path = checkout / "data/cache" / strokes_file()
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {path} (drawn now)"
    again = load_digits("strokes")
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {path}"
    assert_is_drawn(first)
    assert first.train_images.equal(again.train_images)
    assert all(again.test_factors[key].equal(value) for key, value in first.test_factors.items())
    assert not first.train_images[:20].equal(first.test_images)  # seeds 1 and 2
    images, labels, _ = strokes.digits(COUNTS[0], seed=1, progress=False)
    assert images.equal(again.train_images) and labels.equal(again.train_labels)
    images, labels, _ = strokes.digits(COUNTS[1], seed=2, progress=False)
    assert images.equal(again.test_images) and labels.equal(again.test_labels)
    assert repr(first).startswith("ImageData('strokes', 60 + 20 images, factors ")


class Hostile:
    """A pickle that runs code where it is loaded without care."""

    def __reduce__(self):
        return os.mkdir, (os.environ["HOSTILE"],)


def saved(content: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def of_other_counts(content: bytes) -> bytes:
    parts = torch.load(io.BytesIO(content), weights_only=True)
    return saved(parts | {"train_images": parts["train_images"][1:]})


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm",
    [
        truncated,
        flipped,
        of_other_counts,
        lambda content: saved({"train_images": Hostile()}),
        lambda content: b"",
    ],
)
def test_damaged_drawings_are_drawn_again(harm, checkout, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOSTILE", str(tmp_path / "it ran"))
    data = load_digits("strokes")
    path = checkout / "data/cache" / strokes_file()
    content = path.read_bytes()
    path.write_bytes(harm(content))
    capsys.readouterr()
    assert load_digits("strokes").train_images.equal(data.train_images)
    assert f'{path} (unusable "{path}": ' in the_line(capsys)
    load_digits("strokes")
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {path}"
    assert not (tmp_path / "it ran").exists()
    assert cached(checkout) == [f"data/cache/{strokes_file()}"]


def test_drawings_of_older_code_go(checkout):
    cache = put(
        checkout / "data/cache", dict.fromkeys(["strokes-01234567.pt", "strokes-vae.pt"], b"")
    )
    load_digits("strokes")
    assert sorted(os.listdir(cache)) == sorted([strokes_file(), "strokes-vae.pt"])


def test_drawings_in_the_users_folder(checkout, tmp_path, capsys):
    load_digits("strokes")
    path = checkout / "data/cache" / strokes_file()
    user = put(tmp_path / "user", {path.name: path.read_bytes()})
    path.unlink()
    capsys.readouterr()
    assert_is_drawn(load_digits("strokes", root=user))
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {user / path.name}"
    (user / path.name).write_bytes(b"damaged")
    assert_is_drawn(load_digits("strokes", root=user))
    assert listing(user) == {path.name: hashlib.sha256(b"damaged").hexdigest()}


# --- The name of what was drawn ------------------------------------------------------------------


def fingerprint(draw) -> str:
    return digits._fingerprint.__wrapped__(draw)  # anew, not remembered


def test_every_style_of_every_digit_leaves_its_fingerprint(monkeypatch):
    write, written = strokes._write, set()

    def watched(glyph, noise):
        written.add(glyph)
        return write(glyph, noise)

    monkeypatch.setattr(strokes, "_write", watched)
    fingerprint(strokes.digits)
    assert written == {glyph for styles in strokes.GLYPHS.values() for _, glyph in styles}


@pytest.mark.slow
def test_a_fingerprint_changes_with_what_is_drawn_only(monkeypatch):
    """The smallest change of the rarest style, of a factor's prior, of a name, of a face."""
    expected = {draw: fingerprint(draw) for draw in (strokes.digits, strokes.faces)}
    assert len({*expected.values()}) == 2
    assert all(re.fullmatch("[0-9a-f]{8}", name) for name in expected.values())
    share, glyph = strokes.GLYPHS[1][2]
    assert share == min(share for styles in strokes.GLYPHS.values() for share, _ in styles)
    ones = [*strokes.GLYPHS[1][:2], (share, glyph.replace("22 76", "22 77"))]
    with monkeypatch.context() as patch:
        patch.setitem(strokes.GLYPHS, 1, ones)
        assert fingerprint(strokes.digits) != expected[strokes.digits]
    with monkeypatch.context() as patch:
        patch.setitem(strokes.FACTORS, "slant", (0.161, 0.22))
        assert fingerprint(strokes.digits) != expected[strokes.digits]
    with monkeypatch.context() as patch:
        patch.setattr(strokes, "EYE_LEVEL", strokes.EYE_LEVEL + 0.05)
        assert fingerprint(strokes.faces) != expected[strokes.faces]

    def grinning(n, seed, progress):
        images, labels, factors = strokes.faces(n, seed, progress)
        return images, labels, {name.replace("smile", "grin"): factors[name] for name in factors}

    assert fingerprint(grinning) != expected[strokes.faces]


# --- Folders that cannot be written --------------------------------------------------------------


def open_on_a_nearly_full_disk(path, mode):
    """Room for all but the largest file."""
    return (FullDisk if TRAIN_IMAGES in path.name else io.FileIO)(path, mode)


def test_disk_with_room_for_some(checkout, small, monkeypatch, capsys):
    """Four files are loaded, three saved, and the line tells of the one."""
    monkeypatch.setattr(files, "open", open_on_a_nearly_full_disk, raising=False)
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits("mnist"))
    raw = checkout / "data/cache/MNIST/raw"
    line = the_line(capsys)
    assert f'from the network and {raw} (not saved in "{raw}": No space left on device)' in line
    del small[f"{TRAIN_IMAGES}.gz"]
    assert_whole_archives(checkout, small)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["blocked", *FAULTS])
def test_cache_that_cannot_be_written(fault, checkout, small, monkeypatch, capsys):
    """The data are used from memory, the line says so, and nothing is left lying about."""
    words = ""  # where a folder is blocked, each system has its own
    if fault == "blocked":
        (checkout / "data").write_text("a file where the folder should be")
    else:
        words = spoil(monkeypatch, fault)
    before = listing(checkout)
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits("mnist"))
    line = the_line(capsys)
    assert " images from the network (not saved in " in line and f"{words})" in line
    for load, title in ((lambda: load_digits("strokes"), "digits"), (load_faces, "faces")):
        assert load().train_images.shape == (60, 28, 28)
        line = the_line(capsys)
        assert line.startswith(f"Drawn {title}: 60 + 20 images from course_utils.data.strokes (")
        assert f'(not saved in "{checkout / "data/cache"}": ' in line and f"{words})" in line
    assert listing(checkout) == before


SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from course_utils import files
from course_utils.data import digits
disk = sys.argv[1]
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk]).returncode:
    sys.exit(77)
checkout = Path(disk)
(checkout / "pyproject.toml").touch()
files.CHECKOUT, digits._STROKES_COUNTS = checkout, (60, 20)
for fault in ("full", "read-only"):
    if fault == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert digits.load_digits("strokes").train_images.shape == (60, 28, 28)
    left = [path for path in checkout.rglob("*") if path.is_file()]
    assert left == [checkout / "pyproject.toml"], left
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare here")
def test_disk_that_is_really_full_and_really_read_only(checkout):
    """A disk of 16 KB in a mount namespace of its own, which ends with the process."""
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, "-c", SMALL_DISK, checkout],
        capture_output=True,
        text=True,
        env=child_environment(),
    )
    if done.returncode == 77 or done.stderr.startswith("unshare"):
        pytest.skip(f"this system forbids mounts: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    full, read_only = done.stdout.splitlines()
    for line, words in ((full, "No space left on device"), (read_only, "Read-only file system")):
        assert "from course_utils.data.strokes (" in line and f"{words})" in line


# --- Two kernels at once -------------------------------------------------------------------------

ONE_OF_TWO = """
import hashlib, json, sys
from pathlib import Path
from types import SimpleNamespace
from course_utils import files
from course_utils.data import digits, mnist
checkout, mirror, of_mnist = sys.argv[1:]
files.CHECKOUT = Path(checkout)
digits._STROKES_COUNTS = digits._FACES_COUNTS = (60, 20)
torchvision = SimpleNamespace(MNIST=SimpleNamespace(mirrors=[mirror]))  # the real one is slow
sys.modules |= {"torchvision": torchvision, "torchvision.datasets": torchvision}
described = json.loads(of_mnist)
mnist.FILES = tuple(mnist.File(name, tuple(shape), *sums) for name, shape, *sums in described)
print("ready", flush=True)
sys.stdin.readline()
for load in (digits.load_digits, lambda: digits.load_digits("strokes"), digits.load_faces):
    images = load().train_images
    print(hashlib.sha256(images.numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_two_kernels_at_once_on_two_kinds_of_processor(checkout, archives):
    """Both find or make the same files, as a drawing is the same with and without AVX."""
    described = json.dumps(mnist.FILES)
    with Mirror(archives) as mirror:
        printed = run_twice_at_once(
            ONE_OF_TWO,
            str(checkout),
            mirror.url,
            described,
            second={"ATEN_CPU_CAPABILITY": "default"},
        )
    assert printed[0][1::2] == printed[1][1::2]  # the digests; the lines between say from where
    drawn = [draw(60, seed=1, progress=False)[0] for draw in (strokes.digits, strokes.faces)]
    expected = [hashlib.sha256(images.numpy().tobytes()).hexdigest() for images in drawn]
    assert len(printed[0]) == 6 and printed[0][3::2] == expected
    assert len(mirror.requested) > 4
    for name in (strokes_file(), faces_file()):
        (checkout / "data/cache" / name).unlink()
    assert_whole_archives(checkout, archives)
