"""Faults of the data's way to the reader: each one is made, and the real code meets it.

A server on this machine plays the mirror. It serves the real archives where they are to be had
(`COURSE_DATA`, or the course's cache), else small ones made here. Nothing reaches the network.
"""

import dataclasses
import errno
import gzip
import hashlib
import io
import json
import math
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from helpers.together import run_twice_at_once

from course_utils import data
from course_utils.data import MNISTUnavailable, as_float, binarize, load_digits, strokes

COUNTS = (60, 20)  # drawn digits in these tests
TRAIN_IMAGES = "train-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"  # the last file to be fetched


def real_archives() -> dict[str, bytes] | None:
    """The four archives of MNIST, where this machine has them; found before tests hide them."""
    for base in [data.data_root(), data.cache_root()]:
        for layout in data._LAYOUTS:
            paths = [base / layout / f"{file.name}.gz" for file in data._FILES]
            if all(path.is_file() for path in paths):
                return {path.name: path.read_bytes() for path in paths}
    return None


REAL = real_archives()
needs_mnist = pytest.mark.skipif(
    REAL is None, reason="MNIST's archives are neither under COURSE_DATA nor in the cache"
)


def small_files() -> dict[data._File, bytes]:
    """Archives like MNIST's with 60 + 20 images, and what `_FILES` should say of them."""
    generator, made = torch.Generator().manual_seed(0), {}
    for file in data._FILES:
        shape = ({60_000: 60, 10_000: 20}[file.shape[0]], *file.shape[1:])
        values = torch.randint(256 if len(shape) == 3 else 10, shape, generator=generator)
        header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
        raw = header + values.to(torch.uint8).numpy().tobytes()
        packed = gzip.compress(raw, mtime=0)
        digests = [hashlib.md5(content).hexdigest() for content in (packed, raw)]
        made[data._File(file.name, shape, len(packed), *digests)] = packed
    return made


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch, refusing) -> Path:
    """An empty checkout, no variables, no network: what each test starts from."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("COURSE_DATA", "COURSE_DIGITS"):
            monkeypatch.delenv(name)
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.setattr(data, "_CHECKOUT", folder)
    monkeypatch.setattr(data, "_STROKES_COUNTS", COUNTS)
    use_mirrors(monkeypatch, refusing)
    return folder


@pytest.fixture(scope="module", autouse=True)
def quiet_bars():
    """Progress bars off while testing: they are not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        yield


@pytest.fixture
def small(monkeypatch) -> dict[str, bytes]:
    """Small archives in the place of MNIST's."""
    made = small_files()
    monkeypatch.setattr(data, "_FILES", tuple(made))
    return {f"{file.name}.gz": packed for file, packed in made.items()}


@pytest.fixture
def archives(request) -> dict[str, bytes]:
    """The real archives where they are to be had, else small ones."""
    return dict(REAL) if REAL else request.getfixturevalue("small")


# --- The mirror ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refusing():
    """Address of a port that is taken and not listened on: connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


class Mirror:
    """A server of `files` on this machine that misbehaves as `manner` says, and keeps count."""

    def __init__(self, files: dict[str, bytes], manner: str = "good"):
        self.requested: list[str] = []
        self.over = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2]
                mirror.requested.append(name)
                answer = getattr(self, manner)
                with suppress(OSError):  # the reader has gone, as it should
                    answer(files.get(name, b""))

            def good(self, content: bytes):
                self.send_response(200 if content else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def missing(self, content: bytes):
                self.good(b"")

            def altered(self, content: bytes):
                self.good(content[:-1] + bytes([content[-1] ^ 1]))

            def cut_short(self, content: bytes):
                """Announces all, sends a half, hangs up."""
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])

            def other_page(self, content: bytes):
                """What the log-in page of a guest network answers to every address."""
                self.good(b"<html>Please log in.</html>")

            def endless(self, content: bytes):
                self.send_response(200)
                self.end_headers()
                while not mirror.over.is_set():
                    self.wfile.write(bytes(1 << 20))

            def silent(self, content: bytes):
                mirror.over.wait(60)

            def slow(self, content: bytes):
                """Little at a time, but steadily: a full lecture hall."""
                self.send_response(200)
                self.end_headers()
                for start in range(0, len(content), 10_000):
                    self.wfile.write(content[start : start + 10_000])
                    mirror.over.wait(0.08)

            def dribbling(self, content: bytes):
                self.send_response(200)
                self.end_headers()
                self.dribble(content)

            def dribbling_headers(self, content: bytes):
                self.dribble(b"HTTP/1.0 200 OK\r\n" + b"X-Patience: yes\r\n" * 1000)

            def dribble(self, content: bytes):
                for value in content:
                    self.wfile.write(bytes([value]))
                    if mirror.over.wait(0.1):
                        return

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *arguments):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def use_mirrors(monkeypatch, *urls: str) -> None:
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", list(urls))


# --- What is looked at after each fault ----------------------------------------------------------


def listing(folder: Path) -> dict[str, str]:
    """Every path under a folder, with the digest of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def cached(checkout: Path) -> list[str]:
    return sorted(path for path in listing(checkout) if path != "pyproject.toml")


def assert_whole_archives(checkout: Path, archives: dict[str, bytes]) -> None:
    """The cache holds the four archives, byte for byte, and nothing else."""
    raw = checkout / "data" / "cache" / "MNIST" / "raw"
    assert cached(checkout) == sorted(f"data/cache/MNIST/raw/{name}" for name in archives)
    assert all((raw / name).read_bytes() == content for name, content in archives.items())


def assert_is_mnist(digits: data.ImageData) -> None:
    counts = [file.shape[0] for file in data._FILES]
    assert digits.name == "mnist"
    assert digits.train_factors is digits.test_factors is None
    assert digits.train_images.shape == (counts[0], 28, 28)
    assert digits.test_images.shape == (counts[2], 28, 28)
    assert digits.train_labels.shape == (counts[1],) and digits.test_labels.shape == (counts[3],)
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == torch.int64


def assert_is_drawn(digits: data.ImageData) -> None:
    assert digits.name == "strokes"
    parts = [
        (digits.train_images, digits.train_labels, digits.train_factors),
        (digits.test_images, digits.test_labels, digits.test_factors),
    ]
    for count, (images, labels, factors) in zip(COUNTS, parts, strict=True):
        assert images.shape == (count, 28, 28) and images.dtype == torch.uint8
        assert labels.shape == (count,) and labels.dtype == torch.int64
        assert factors and all(factor.shape == (count,) for factor in factors.values())


def in_full(text: str) -> str:
    """Paths under COURSE_DATA and the checkout are printed relative to them: undo that."""
    text = text.replace("$COURSE_DATA", os.environ.get("COURSE_DATA", "$COURSE_DATA"))
    return text.replace(" data/cache", f" {data._CHECKOUT.as_posix()}/data/cache")


def the_line(capsys) -> str:
    """What was printed: one line, with its paths in full."""
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.endswith("\n")
    return in_full(out.strip())


def test_no_path_of_this_machine_is_printed(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "mine"))
    assert data._short(tmp_path / "mine" / "MNIST" / "raw") == "$COURSE_DATA/MNIST/raw"
    assert data._short(checkout / "data" / "cache") == "data/cache"
    assert data._short(tmp_path / "other") == str(tmp_path / "other")


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


# --- Sources and folders -------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["MNIST", "", None, 3, ["mnist"]])
def test_unknown_source(source, capsys):
    with pytest.raises(ValueError, match="source: expected 'auto', 'mnist' or 'strokes', got"):
        load_digits(source)
    assert capsys.readouterr().out == ""


def test_variable_names_the_source(monkeypatch, archives, tmp_path, capsys):
    folder = put(tmp_path / "user", archives)
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
    monkeypatch.setenv("COURSE_DIGITS", "")
    assert_is_mnist(load_digits(root=folder))


def test_roots(checkout, tmp_path, monkeypatch):
    assert data.data_root() == data.cache_root() == checkout / "data" / "cache"
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "variable"))
    assert data.data_root() == tmp_path / "variable"
    assert data.data_root(tmp_path / "argument") == tmp_path / "argument"
    assert data.data_root("~/x") == Path.home() / "x"
    assert data.cache_root() == checkout / "data" / "cache"
    (checkout / "pyproject.toml").unlink()  # as in a wheel
    assert "vae-course" in data.cache_root().parts and checkout not in data.cache_root().parents


def test_home_is_shortened(monkeypatch, archives, tmp_path, capsys):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    load_digits("mnist", root=put(tmp_path / "digits", archives))
    train, test = (data._FILES[i].shape[0] for i in (0, 2))
    assert the_line(capsys) == f"MNIST: {train:,} + {test:,} images from {Path('~/digits')}"


@pytest.mark.parametrize("layout", ["MNIST/raw", "raw", "."])
@pytest.mark.parametrize("form", ["gz", "raw"])
def test_every_layout_and_form_in_a_folder_that_stays_untouched(
    layout, form, checkout, tmp_path, small, monkeypatch, capsys
):
    files = small if form == "gz" else {n[:-3]: gzip.decompress(c) for n, c in small.items()}
    user = tmp_path / "user"
    folder = put(user / layout, files)
    before = listing(user)
    monkeypatch.setenv("COURSE_DATA", str(user))
    digits = load_digits("mnist")
    assert_is_mnist(digits)
    assert the_line(capsys) == f"MNIST: 60 + 20 images from {folder}"
    raw = gzip.decompress(small[f"{TRAIN_IMAGES}.gz"])
    assert digits.train_images.numpy().tobytes() == raw[16:]
    assert listing(user) == before and cached(checkout) == []


def test_a_file_at_a_time(checkout, tmp_path, small, monkeypatch, capsys):
    """One in the user's folder, one in the cache, two on the mirror."""
    names = list(small)
    user = put(tmp_path / "user", {names[0]: small[names[0]]})
    cache = put(checkout / "data/cache/raw", {names[1]: small[names[1]]})
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits(root=user))
    assert mirror.requested == names[2:]
    line = the_line(capsys)
    assert f"images from {user} and {cache} and {checkout / 'data/cache/MNIST/raw'} (" in line
    assert ", ".join(name[:-3] for name in names[1:]) in line
    assert list(listing(user)) == [names[0]]


# --- Real MNIST ----------------------------------------------------------------------------------


def test_names_and_checksums_are_those_of_torchvision():
    from torchvision.datasets import MNIST

    assert [(f"{file.name}.gz", file.gz_md5) for file in data._FILES] == MNIST.resources


@needs_mnist
def test_the_real_mnist(tmp_path):
    digits = load_digits("mnist", root=put(tmp_path / "user", REAL))
    assert_is_mnist(digits)
    assert (len(digits.train_images), len(digits.test_images)) == (60_000, 10_000)
    expected = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert digits.train_labels.bincount().tolist() == expected
    assert digits.test_labels.bincount().sum() == 10_000
    mean = digits.train_images.sum(dtype=torch.int64).item() / digits.train_images.numel()
    assert round(mean, 3) == 33.318
    assert digits.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert repr(digits) == "ImageData('mnist', 60,000 + 10,000 images)"


@needs_mnist
def test_the_real_mnist_unpacked(tmp_path):
    """A raw file's checksum matters: Fashion-MNIST's have the same names and the same headers."""
    files = {name[:-3]: gzip.decompress(content) for name, content in REAL.items()}
    assert_is_mnist(load_digits("mnist", root=put(tmp_path / "user", files)))


# --- Downloads -----------------------------------------------------------------------------------


def test_download_then_cache(checkout, archives, monkeypatch, capsys):
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        first = load_digits()
        raw = checkout / "data/cache/MNIST/raw"
        train, test = (data._FILES[i].shape[0] for i in (0, 2))
        assert the_line(capsys) == f"MNIST: {train:,} + {test:,} images from {raw} (downloaded)"
        assert mirror.requested == list(archives)
        again = load_digits()
        assert the_line(capsys) == f"MNIST: {train:,} + {test:,} images from {raw}"
        assert len(mirror.requested) == 4
    assert_is_mnist(first)
    assert first.train_images.equal(again.train_images)
    assert_whole_archives(checkout, archives)


def test_downloads_never_go_to_the_users_folder(checkout, tmp_path, archives, monkeypatch, capsys):
    user = put(tmp_path / "user", {"notes.txt": b"mine"})
    before = listing(user)
    monkeypatch.setenv("COURSE_DATA", str(user))
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits())
    assert f"(no MNIST in {user}; downloaded)" in the_line(capsys)
    assert_is_drawn(load_digits("strokes"))
    assert listing(user) == before
    assert data._STROKES_FILE in os.listdir(checkout / "data/cache")


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("missing", "HTTP 404"),
        ("altered", "md5 "),
        ("cut_short", "size "),
        ("other_page", "size 27 bytes, expected "),
        ("endless", "size "),
    ],
)
def test_bad_mirror_is_never_believed(manner, reason, checkout, archives, monkeypatch, capsys):
    """Alone it gives drawn digits, with a good one behind it MNIST; half a file never stays."""
    with Mirror(archives, manner) as bad, Mirror(archives) as good:
        use_mirrors(monkeypatch, bad.url)
        assert_is_drawn(load_digits())
        line = the_line(capsys)
        assert line.startswith("Drawn digits instead of MNIST: 60 + 20 images from ")
        assert f"download failed, {bad.url[7:-1]}: {reason}" in line
        assert cached(checkout) == [f"data/cache/{data._STROKES_FILE}"]
        (checkout / "data/cache" / data._STROKES_FILE).unlink()
        use_mirrors(monkeypatch, bad.url, good.url)
        assert_is_mnist(load_digits())
        assert len(bad.requested) == 2
    assert_whole_archives(checkout, archives)


def test_first_mirror_refuses_second_serves(checkout, refusing, archives, monkeypatch):
    with Mirror(archives) as good:
        use_mirrors(monkeypatch, refusing, good.url)
        assert_is_mnist(load_digits("mnist"))
    assert_whole_archives(checkout, archives)


def test_mirror_that_fails_halfway(checkout, small, monkeypatch):
    """What was fetched whole is kept; the next mirror is asked for the rest only."""
    some = dict(list(small.items())[:2])
    with Mirror(some) as first, Mirror(small) as second:
        use_mirrors(monkeypatch, first.url)
        with pytest.raises(MNISTUnavailable, match="HTTP 404"):
            load_digits("mnist")
        assert_whole_archives(checkout, some)
        use_mirrors(monkeypatch, first.url, second.url)
        assert_is_mnist(load_digits("mnist"))
    assert second.requested == list(small)[2:]
    assert_whole_archives(checkout, small)


@pytest.mark.parametrize("network", ["refuses", "has no names", "never answers"])
def test_no_network_falls_over_within_seconds(network, checkout, refusing, monkeypatch, capsys):
    """A name that is looked up for ever is beyond the reach of a socket's time limit."""

    def look_up(*arguments, **options):
        if network == "never answers":
            time.sleep(5)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if network != "refuses":
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(data, "_SILENCE", 0.5 if network == "never answers" else data._SILENCE)
    use_mirrors(monkeypatch, refusing, refusing)
    start = time.monotonic()
    assert_is_drawn(load_digits())
    assert time.monotonic() - start < 5 + 4 * (sys.platform == "win32")
    line = the_line(capsys)
    assert f"(no MNIST in {checkout / 'data/cache'}, which does not exist; download failed" in line
    if network != "refuses":
        assert ("silent for 0.5 s" if network == "never answers" else "Name or service") in line
    assert cached(checkout) == [f"data/cache/{data._STROKES_FILE}"]


def test_mnist_that_cannot_be_had_names_three_ways(checkout, capsys):
    with pytest.raises(MNISTUnavailable) as caught:
        load_digits("mnist")
    message = str(caught.value)
    for word in [
        "1. Connect",
        "2. Put",
        "COURSE_DATA",
        "root=",
        "3. Copy",
        "MNIST/raw",
        "strokes",
    ]:
        assert word in message
    assert all(f"{file.name}.gz" in message for file in data._FILES)
    assert str(checkout / "data/cache") in in_full(message)
    assert cached(checkout) == [] and capsys.readouterr().out == ""


def test_time_limits():
    assert data._SILENCE == 10
    assert data._CRAWL_SECONDS == 20


@pytest.mark.parametrize(
    ("manner", "reasons"),
    [
        ("silent", ["silent for 0.7 s", "timed out"]),  # whichever clock rings first
        ("dribbling_headers", ["silent for 0.7 s"]),
        ("dribbling", ["bytes in 0.7 s"]),
    ],
)
def test_mirror_that_does_not_get_on(manner, reasons, checkout, archives, monkeypatch, capsys):
    monkeypatch.setattr(data, "_SILENCE", 0.7)
    monkeypatch.setattr(data, "_CRAWL_SECONDS", 0.7)
    with Mirror(archives, manner) as bad:
        use_mirrors(monkeypatch, bad.url)
        start = time.monotonic()
        assert_is_drawn(load_digits())
        assert time.monotonic() - start < 5
    line = the_line(capsys)
    assert any(reason in line for reason in reasons)
    assert cached(checkout) == [f"data/cache/{data._STROKES_FILE}"]


def test_slow_mirror_is_not_given_up(checkout, small, monkeypatch):
    monkeypatch.setattr(data, "_CRAWL_SECONDS", 0.1)
    monkeypatch.setattr(data, "_CRAWL_BYTES", 1_000)
    with Mirror(small, "slow") as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits("mnist"))
    assert_whole_archives(checkout, small)


def test_torchvision_that_cannot_be_imported(checkout, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert_is_drawn(load_digits())
    assert "no download, as torchvision cannot be imported: " in the_line(capsys)


def test_silent_mirror_then_a_good_one(checkout, small, monkeypatch):
    monkeypatch.setattr(data, "_SILENCE", 1.0)
    with Mirror(small, "silent") as bad, Mirror(small) as good:
        use_mirrors(monkeypatch, bad.url, good.url)
        assert_is_mnist(load_digits("mnist"))
    assert_whole_archives(checkout, small)


# --- Damaged files -------------------------------------------------------------------------------


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("harm", [truncated, flipped])
def test_damaged_archive_in_the_cache_is_replaced(harm, checkout, archives, monkeypatch, capsys):
    name = f"{TRAIN_IMAGES}.gz"
    raw = put(checkout / "data/cache/MNIST/raw", archives | {name: harm(archives[name])})
    with pytest.raises(MNISTUnavailable, match=f"unusable .*{name}: (size|md5) .*, expected"):
        load_digits("mnist")  # no mirror: it stays as it is
    assert (raw / name).read_bytes() == harm(archives[name])
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits())
    assert mirror.requested == [name]
    assert f"(downloaded; instead of unusable {raw / name}: " in the_line(capsys)
    assert_whole_archives(checkout, archives)


@pytest.mark.parametrize("harm", [truncated, flipped])
def test_damaged_archive_in_the_users_folder_stays(
    harm, checkout, tmp_path, refusing, archives, monkeypatch, capsys
):
    name = f"{TEST_LABELS}.gz"
    user = put(tmp_path / "user", archives | {name: harm(archives[name])})
    before = listing(user)
    file = data._FILES[3]
    found, expected = (
        (f"{file.gz_bytes // 2:,} bytes", f"{file.gz_bytes:,} bytes")
        if harm is truncated
        else (hashlib.md5(harm(archives[name])).hexdigest(), file.gz_md5)
    )
    fault = f"unusable {user / name}: {'size' if harm is truncated else 'md5'} {found}, "
    fault += f"expected {expected}"
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        with pytest.raises(MNISTUnavailable) as caught:
            load_digits("mnist", root=user)
        assert fault in str(caught.value)
        assert mirror.requested == [] and capsys.readouterr().out == ""
        assert_is_mnist(load_digits("auto", root=user))
        assert mirror.requested == [name]
    assert fault in the_line(capsys)
    use_mirrors(monkeypatch, refusing)
    (checkout / "data/cache/MNIST/raw" / name).unlink()
    assert_is_drawn(load_digits("auto", root=user))
    assert fault in the_line(capsys)
    assert listing(user) == before


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda raw: raw[:-1], "size 47,055 bytes, expected 47,056 bytes"),
        (lambda raw: raw + b"0", "size 47,057 bytes"),
        (lambda raw: b"", "idx header , expected 00000803 0000003c 0000001c 0000001c"),
        (lambda raw: raw[:7] + b"\x3b" + raw[8:], "idx header 00000803 0000003b"),
        (lambda raw: gzip.compress(raw), "idx header 1f8b0800"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "md5 .*, expected "),
    ],
)
def test_damaged_raw_file(harm, reason, tmp_path, small):
    files = {name[:-3]: gzip.decompress(content) for name, content in small.items()}
    user = put(tmp_path / "user", files | {TRAIN_IMAGES: harm(files[TRAIN_IMAGES])})
    with pytest.raises(MNISTUnavailable, match=f"{TRAIN_IMAGES}: {reason}"):
        load_digits("mnist", root=user)


def test_good_copy_beside_a_damaged_one(tmp_path, small, capsys):
    name = f"{TRAIN_IMAGES}.gz"
    user = put(tmp_path / "user", small | {name: truncated(small[name])})
    put(user, {TRAIN_IMAGES: gzip.decompress(small[name])})
    assert_is_mnist(load_digits("mnist", root=user))
    assert the_line(capsys) == f"MNIST: 60 + 20 images from {user}"


def test_path_that_cannot_be_read(tmp_path, small, capsys):
    user = put(tmp_path / "user", small)
    (user / f"{TRAIN_IMAGES}.gz").unlink()
    (user / f"{TRAIN_IMAGES}.gz").mkdir()
    with pytest.raises(MNISTUnavailable, match=f"unusable .*{TRAIN_IMAGES}.gz: "):
        load_digits("mnist", root=user)
    assert_is_drawn(load_digits(root=user))
    load_digits("auto", root=user / f"{TEST_LABELS}.gz")  # a file in the place of a folder
    assert "no MNIST in " in capsys.readouterr().out.splitlines()[1]


# --- Folders that cannot be written --------------------------------------------------------------


def fail_to_open(path, mode):
    raise OSError(errno.EROFS, "Read-only file system")


def open_on_a_nearly_full_disk(path, mode):
    """Room for all but the largest file."""
    return (FullDisk if TRAIN_IMAGES in path.name else io.FileIO)(path, mode)


class FullDisk(io.FileIO):
    """A file on a disk that has room for half of what is written."""

    def write(self, content):
        super().write(bytes(content[: len(content) // 2]))
        if not os.path.exists("/dev/full"):
            raise OSError(errno.ENOSPC, "No space left on device")
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")  # the system's own error


def test_disk_with_room_for_some(checkout, archives, monkeypatch, capsys):
    """Four files are loaded, three saved, and the line tells of the one."""
    monkeypatch.setattr(data, "open", open_on_a_nearly_full_disk, raising=False)
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits("mnist"))
    raw = checkout / "data/cache/MNIST/raw"
    line = the_line(capsys)
    assert f"from the network and {raw} (not saved in {raw}: No space left on device)" in line
    del archives[f"{TRAIN_IMAGES}.gz"]
    assert_whole_archives(checkout, archives)


def fail_to_rename(source, target):
    raise PermissionError(errno.EACCES, "Permission denied")  # Windows: another process reads it


@pytest.mark.parametrize("fault", ["blocked", "read-only", "full", "in use"])
def test_cache_that_cannot_be_written(fault, checkout, archives, monkeypatch, capsys):
    """The data are used from memory, the line says so, and nothing is left lying about."""
    if fault == "blocked":
        (checkout / "data").write_text("a file where the folder should be")
    elif fault == "in use":
        monkeypatch.setattr(os, "replace", fail_to_rename)
    else:
        opener = fail_to_open if fault == "read-only" else FullDisk
        monkeypatch.setattr(data, "open", opener, raising=False)
    words = {
        "blocked": "",  # each system has its own words for it
        "read-only": "Read-only file system",
        "full": "No space left on device",
        "in use": "Permission denied",
    }[fault]
    before = listing(checkout)
    with Mirror(archives) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits("mnist"))
    line = the_line(capsys)
    assert " images from the network (not saved in " in line and f"{words})" in line
    assert_is_drawn(load_digits("strokes"))
    line = the_line(capsys)
    assert " images from course_utils.strokes (not saved in " in line and f"{words})" in line
    assert listing(checkout) == before


SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from course_utils import data
disk = sys.argv[1]
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk]).returncode:
    sys.exit(77)
checkout = Path(disk)
(checkout / "pyproject.toml").touch()
data._CHECKOUT, data._STROKES_COUNTS = checkout, (60, 20)
for fault in ("full", "read-only"):
    if fault == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert data.load_digits("strokes").train_images.shape == (60, 28, 28)
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
    assert "from course_utils.strokes (" in full and "No space left on device)" in full
    assert "from course_utils.strokes (" in read_only and "Read-only file system)" in read_only


# --- Two processes at once -----------------------------------------------------------------------

ONE_OF_TWO = """
import hashlib, json, sys
from pathlib import Path
from types import SimpleNamespace
from course_utils import data
checkout, mirror, files = sys.argv[1:]
data._CHECKOUT, data._STROKES_COUNTS = Path(checkout), (60, 20)
torchvision = SimpleNamespace(MNIST=SimpleNamespace(mirrors=[mirror]))  # the real one is slow
sys.modules |= {"torchvision": torchvision, "torchvision.datasets": torchvision}
data._FILES = tuple(data._File(*file) for file in json.loads(files))
print("ready", flush=True)
sys.stdin.readline()
for source in ("mnist", "strokes"):
    digits = data.load_digits(source)
    print(hashlib.sha256(digits.train_images.numpy().tobytes()).hexdigest())
"""


def child_environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(data.__file__).parent.parent)}


@pytest.mark.slow
def test_two_processes_at_once(checkout, archives):
    files = json.dumps(data._FILES)
    with Mirror(archives) as mirror:
        arguments = (str(checkout), mirror.url, files)
        printed = run_twice_at_once(ONE_OF_TWO, *arguments, env=child_environment())
    assert printed[0][1::2] == printed[1][1::2]  # the digests; the lines between say from where
    assert len(printed[0]) == 4 and len(mirror.requested) > 4
    (checkout / "data/cache" / data._STROKES_FILE).unlink()
    assert_whole_archives(checkout, archives)


# --- Drawn digits --------------------------------------------------------------------------------


def test_drawn_digits_are_cached(checkout, capsys):
    first = load_digits("strokes")
    path = checkout / "data/cache" / data._STROKES_FILE
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {path} (drawn now)"
    again = load_digits("strokes")
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {path}"
    assert_is_drawn(first)
    assert first.train_images.equal(again.train_images)
    assert all(again.test_factors[key].equal(value) for key, value in first.test_factors.items())
    assert not first.train_images[:20].equal(first.test_images)  # seeds 1 and 2
    images, labels, _ = strokes.digits(COUNTS[0], seed=1, progress=False)
    assert images.equal(again.train_images) and labels.equal(again.train_labels)
    assert repr(first).startswith("ImageData('strokes', 60 + 20 images, factors ")


class Hostile:
    """A pickle that runs code where it is loaded without care."""

    def __reduce__(self):
        return os.mkdir, (os.environ["HOSTILE"],)


def hostile(content: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save({"train_images": Hostile()}, buffer)
    return buffer.getvalue()


def of_other_counts(content: bytes) -> bytes:
    saved = torch.load(io.BytesIO(content), weights_only=True)
    buffer = io.BytesIO()
    torch.save(saved | {"train_images": saved["train_images"][1:]}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "harm", [truncated, flipped, hostile, of_other_counts, lambda content: b""]
)
def test_damaged_drawings_are_drawn_again(harm, checkout, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOSTILE", str(tmp_path / "it ran"))
    digits = load_digits("strokes")
    path = checkout / "data/cache" / data._STROKES_FILE
    content = path.read_bytes()
    path.write_bytes(harm(content))
    capsys.readouterr()
    assert load_digits("strokes").train_images.equal(digits.train_images)
    assert f"{path} (unusable {path}: " in the_line(capsys)
    load_digits("strokes")
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {path}"
    assert not (tmp_path / "it ran").exists()
    assert cached(checkout) == [f"data/cache/{data._STROKES_FILE}"]


def test_drawings_of_older_code_go(checkout):
    digest = hashlib.sha256(Path(strokes.__file__).read_bytes()).hexdigest()
    assert f"strokes-{digest[:8]}.pt" == data._STROKES_FILE
    cache = put(
        checkout / "data/cache", dict.fromkeys(["strokes-01234567.pt", "strokes-vae.pt"], b"")
    )
    load_digits("strokes")
    assert sorted(os.listdir(cache)) == sorted([data._STROKES_FILE, "strokes-vae.pt"])


def test_drawings_in_the_users_folder(checkout, tmp_path, capsys):
    load_digits("strokes")
    path = checkout / "data/cache" / data._STROKES_FILE
    user = put(tmp_path / "user", {path.name: path.read_bytes()})
    path.unlink()
    capsys.readouterr()
    assert_is_drawn(load_digits("strokes", root=user))
    assert the_line(capsys) == f"Drawn digits: 60 + 20 images from {user / path.name}"
    (user / path.name).write_bytes(b"damaged")
    assert_is_drawn(load_digits("strokes", root=user))
    assert listing(user) == {path.name: hashlib.sha256(b"damaged").hexdigest()}


def test_image_data_is_frozen():
    digits = load_digits("strokes")
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.name = "mnist"


# --- Pixels --------------------------------------------------------------------------------------


def test_as_float():
    images = torch.arange(256, dtype=torch.uint8).repeat(2 * 784 // 256 + 1)[: 2 * 784]
    images = images.reshape(2, 28, 28)
    pixels = as_float(images)
    assert pixels.shape == (2, 784) and pixels.dtype == torch.float32
    assert pixels[0, 0] == 0 and pixels[0, 255] == 1
    torch.testing.assert_close(pixels, images.reshape(2, 784).double().div(255).float())
    assert as_float(pixels).equal(pixels) and as_float(pixels.double()).equal(pixels)
    assert as_float(images[:0]).shape == (0, 784)
    assert as_float(pixels[:0]).shape == (0, 784)
    assert images.dtype == torch.uint8 and images[0, 0, 255 % 28] == 255 % 28  # left as it was


def test_binarize_follows_the_grey_values():
    """Every level of grey, 4,000 draws each: z-scores within 4.5, and together of variance 1."""
    repeats = 4_000
    levels = torch.arange(256, dtype=torch.uint8).expand(repeats, 256)
    pixels = binarize(levels, seed=3)
    assert pixels.dtype == torch.float32 and pixels.shape == (repeats, 256)
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    assert pixels[:, 0].max() == 0 and pixels[:, 255].min() == 1
    p = torch.arange(1, 255).double() / 255
    z = (pixels[:, 1:255].double().mean(0) - p) / (p * (1 - p) / repeats).sqrt()
    assert z.abs().max() < 4.5
    assert abs(z.square().mean() - 1) < 4.5 * math.sqrt(2 / 254)


def test_binarize_has_a_seed_of_its_own():
    images = torch.full((3, 28, 28), 128, dtype=torch.uint8)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = binarize(images, seed=1)
    assert torch.rand(3).equal(expected)  # the global stream did not move
    assert first.equal(binarize(images, seed=1)) and not first.equal(binarize(images, seed=2))
    assert first.equal(binarize(as_float(images), seed=1))
    assert binarize(images[:0]).shape == (0, 784)


def test_black_stays_black():
    """Seed 146 draws a uniform number of exactly 0 (one in 16 million are): still no ink."""
    images = torch.zeros(100, 784)
    assert (torch.rand(100, 784, generator=torch.Generator().manual_seed(146)) == 0).any()
    assert binarize(images, seed=146).max() == 0


@pytest.mark.parametrize("function", [as_float, binarize])
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            torch.zeros(2, 784, dtype=torch.int64),
            "uint8 or floating-point images, got torch.int64",
        ),
        (torch.zeros(2, 784, dtype=torch.bool), "got torch.bool"),
        (torch.zeros(2, 784).numpy(), "tensor, got ndarray"),
        (torch.full((2, 784), 255.0), r"in \[0, 1\], got 255 to 255"),
        (torch.full((2, 784), -0.1), "got -0.1 to -0.1"),
        (torch.full((2, 784), math.nan), "got nan to nan"),
        (torch.zeros(28, 28), r"\(N, 28, 28\) or \(N, D\), got \(28, 28\)"),
        (torch.zeros(784), r"got \(784,\)"),
    ],
)
def test_what_are_no_images(function, images, words):
    with pytest.raises(ValueError, match=words):
        function(images)
