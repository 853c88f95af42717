"""MNIST's files: found in every place and form that they come in, and never believed unchecked."""

import gzip
import os
from pathlib import Path

import pytest
import torch
from helpers.loaded import (
    assert_is_drawn,
    assert_is_mnist,
    assert_whole_archives,
    cached,
    flipped,
    listing,
    put,
    the_line,
    truncated,
)
from helpers.mirror import REAL, TEST_LABELS, TRAIN_IMAGES, Mirror, use_mirrors

from course_utils.data import MNISTUnavailable, load_digits, mnist

# With the real archives where they are, else with small ones.
pytestmark = [pytest.mark.usefixtures("checkout"), pytest.mark.digits]
needs_mnist = pytest.mark.skipif(
    REAL is None, reason="MNIST's archives are neither under COURSE_DATA nor in the cache"
)


# --- Where the files lie -------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["MNIST/raw", "raw", "."])
@pytest.mark.parametrize("form", ["gz", "raw"])
def test_every_layout_and_form_in_a_folder_that_stays_untouched(
    layout, form, checkout, tmp_path, small, monkeypatch, capsys
):
    unpacked = {name[:-3]: gzip.decompress(content) for name, content in small.items()}
    user = tmp_path / "user"
    folder = put(user / layout, small if form == "gz" else unpacked)
    before = listing(user)
    monkeypatch.setenv("COURSE_DATA", str(user))
    digits = load_digits("mnist")
    assert_is_mnist(digits)
    assert the_line(capsys) == f"MNIST: 60 + 20 images from {folder}"
    tensors = [digits.train_images, digits.train_labels, digits.test_images, digits.test_labels]
    for file, tensor in zip(mnist.FILES, tensors, strict=True):
        content = unpacked[file.name][4 + 4 * len(file.shape) :]
        assert tensor.to(torch.uint8).numpy().tobytes() == content
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


def test_home_is_shortened(monkeypatch, small, tmp_path, capsys):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    load_digits("mnist", root=put(tmp_path / "digits", small))
    assert the_line(capsys) == f"MNIST: 60 + 20 images from {Path('~/digits')}"


def test_mnist_that_cannot_be_had_names_three_ways(checkout, capsys):
    with pytest.raises(MNISTUnavailable) as caught:
        load_digits("mnist")
    message = str(caught.value)
    for word in ["1. Connect", "2. Put", "COURSE_DATA", "root=", "3. Copy", "MNIST/raw"]:
        assert word in message
    assert all(f"{file.name}.gz" in message for file in mnist.FILES)
    assert "mnist.npz" in message and 'load_digits("strokes")' in message
    assert 'into "data/cache".' in message
    assert 'no MNIST: "data/cache" does not exist; download failed' in message
    assert cached(checkout) == [] and capsys.readouterr().out == ""


# --- Real MNIST ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_names_checksums_and_mirrors_are_those_of_torchvision(monkeypatch):
    monkeypatch.undo()  # the real one
    from torchvision.datasets import MNIST

    assert len(MNIST.mirrors) >= 1 and all(url.endswith("/") for url in MNIST.mirrors)
    assert [(f"{file.name}.gz", file.gz_md5) for file in mnist.FILES] == MNIST.resources


@pytest.mark.slow
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


# --- Damaged files -------------------------------------------------------------------------------


# What is said of an archive that is cut in half, or has one bit turned.
HARMED = {truncated: "size ", flipped: "damaged archive, "}


@pytest.mark.parametrize("harm", [truncated, flipped])
def test_damaged_archive_in_the_cache_is_replaced(harm, checkout, small, monkeypatch, capsys):
    name = f"{TRAIN_IMAGES}.gz"
    raw = put(checkout / "data/cache/MNIST/raw", small | {name: harm(small[name])})
    with pytest.raises(MNISTUnavailable, match=f'unusable "data/.*{name}": {HARMED[harm]}'):
        load_digits("mnist")  # no mirror: it stays as it is
    assert (raw / name).read_bytes() == harm(small[name])
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        assert_is_mnist(load_digits())
    assert mirror.requested == [name]
    assert f'(downloaded; instead of unusable "{raw / name}": ' in the_line(capsys)
    assert_whole_archives(checkout, small)


@pytest.mark.parametrize("harm", [truncated, flipped])
def test_damaged_archive_in_the_users_folder_stays(
    harm, checkout, tmp_path, refusing, small, monkeypatch, capsys
):
    name = f"{TEST_LABELS}.gz"
    user = put(tmp_path / "user", small | {name: harm(small[name])})
    before = listing(user)
    fault = f'unusable "{user / name}": {HARMED[harm]}'
    with Mirror(small) as mirror:
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
        (lambda raw: b"", "no idx file, it begins with b''"),
        (
            lambda raw: raw[:7] + b"\x3b" + raw[8:],
            r"shape \(59, 28, 28\), expected \(60, ",
        ),
        (lambda raw: b"PK\3\4" + raw, "no idx file, it begins with b'PK"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "damaged, or not .*: md5 .*, expected "),
    ],
)
def test_damaged_raw_file(harm, reason, tmp_path, small):
    files = {name[:-3]: gzip.decompress(content) for name, content in small.items()}
    user = put(tmp_path / "user", files | {TRAIN_IMAGES: harm(files[TRAIN_IMAGES])})
    with pytest.raises(MNISTUnavailable, match=f'{TRAIN_IMAGES}": {reason}'):
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
    with pytest.raises(MNISTUnavailable, match=f'unusable ".*{TRAIN_IMAGES}.gz": '):
        load_digits("mnist", root=user)
    assert_is_drawn(load_digits(root=user))
    load_digits("auto", root=user / f"{TEST_LABELS}.gz")  # a file in the place of a folder
    said = f'no MNIST: "{user / TEST_LABELS}.gz" is a file, expected a folder; '
    assert said in capsys.readouterr().out.splitlines()[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path, small):
    user = put(tmp_path / "user", small)
    pipe = user / f"{TRAIN_IMAGES}.gz"
    pipe.unlink()
    os.mkfifo(pipe)
    with pytest.raises(MNISTUnavailable, match=f'unusable "{pipe}": no plain file'):
        load_digits("mnist", root=user)
