"""MNIST in the forms in which people have it; the checksum of what is inside decides."""

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.loaded import assert_is_drawn, assert_is_mnist, listing, put, the_line
from helpers.mirror import REAL, TEST_LABELS, TRAIN_IMAGES, Mirror, use_mirrors

from course_utils.data import MNISTUnavailable, load_digits, mnist

pytestmark = pytest.mark.usefixtures("checkout")
KEYS = ("x_train", "y_train", "x_test", "y_test")


@pytest.fixture
def raw(small) -> dict[str, bytes]:
    """The unpacked files."""
    return {name[:-3]: gzip.decompress(content) for name, content in small.items()}


def dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


def arrays(raw: dict[str, bytes]) -> dict[str, np.ndarray]:
    """What Keras's mnist.npz holds of the files."""
    found = {}
    for file, key in zip(mnist.FILES, KEYS, strict=True):
        values = np.frombuffer(raw[file.name], np.uint8)[4 + 4 * len(file.shape) :]
        found[key] = values.reshape(file.shape)
    return found


def npz(raw: dict[str, bytes], **changes) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **(arrays(raw) | changes))
    return buffer.getvalue()


def by_zlib(content: bytes) -> bytes:
    """A gzip archive whose header and packing are another program's."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(content) + packer.flush()


def in_parts(content: bytes) -> bytes:
    """As bgzip packs: many archives one behind another."""
    return b"".join(gzip.compress(content[i : i + 5_000]) for i in range(0, len(content), 5_000))


FORMS = {
    "dots": lambda raw: {dotted(name): content for name, content in raw.items()},
    "dots, packed": lambda raw: {f"{dotted(n)}.gz": gzip.compress(c) for n, c in raw.items()},
    "gz, unpacked": lambda raw: {f"{name}.gz": content for name, content in raw.items()},
    "packed, without gz": lambda raw: {name: gzip.compress(c) for name, c in raw.items()},
    "packed again": lambda raw: {f"{n}.gz": gzip.compress(c, 1, mtime=7) for n, c in raw.items()},
    "another program": lambda raw: {f"{name}.gz": by_zlib(c) for name, c in raw.items()},
    "in parts": lambda raw: {f"{name}.gz": in_parts(c) for name, c in raw.items()},
    "packed twice": lambda raw: {
        f"{n}.gz": gzip.compress(gzip.compress(c)) for n, c in raw.items()
    },
    "no checksum behind": lambda raw: {f"{n}.gz": gzip.compress(c)[:-8] for n, c in raw.items()},
    "a second download": lambda raw: {f"{n} (1).gz": gzip.compress(c) for n, c in raw.items()},
    "capitals": lambda raw: {name.upper(): content for name, content in raw.items()},
    "Keras": lambda raw: {"mnist.npz": npz(raw)},
    "Keras, again": lambda raw: {"mnist (1).npz": npz(raw)},
    "a channel": lambda raw: {"mnist.npz": npz(raw, x_test=arrays(raw)["x_test"][..., None])},
    "a column": lambda raw: {"mnist.npz": npz(raw, y_test=arrays(raw)["y_test"][:, None])},
    "int64 labels": lambda raw: {
        "mnist.npz": npz(raw, y_train=arrays(raw)["y_train"].astype(np.int64))
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_left_alone(form, raw, tmp_path, capsys):
    user = put(tmp_path / "user", FORMS[form](raw))
    before = listing(user)
    digits = load_digits("mnist", root=user)
    assert_is_mnist(digits)
    assert the_line(capsys).startswith(f"MNIST: 60 + 20 images from {user}")
    expected = arrays(raw)
    for key, tensor in zip(
        KEYS, [digits.train_images, digits.train_labels, digits.test_images, digits.test_labels]
    ):
        assert (tensor.numpy() == expected[key]).all()
    assert listing(user) == before


@pytest.mark.parametrize(
    "folder",
    ["MNIST/raw", "mnist/raw", "raw", "MNIST", "mnist", ".", "MNIST/MNIST/raw", "mnist/MNIST"],
)
def test_every_folder(folder, raw, tmp_path):
    put(tmp_path / "user" / folder, raw)
    assert_is_mnist(load_digits("mnist", root=tmp_path / "user"))


def test_folders_with_the_names_of_files(raw, tmp_path):
    """As Kaggle's archive unpacks."""
    for name, content in raw.items():
        put(tmp_path / "user" / name, {name: content})
    assert_is_mnist(load_digits("mnist", root=tmp_path / "user"))


def test_keras_gives_what_the_files_lack(raw, tmp_path, capsys):
    user = put(tmp_path / "user", {TRAIN_IMAGES: raw[TRAIN_IMAGES], "mnist.npz": npz(raw)})
    assert_is_mnist(load_digits("mnist", root=user))
    assert the_line(capsys) == f"MNIST: 60 + 20 images from {user} and {user / 'mnist.npz'}"


class Hostile:
    """A pickle that runs code where it is loaded without care."""

    def __reduce__(self):
        return os.mkdir, (os.environ["HOSTILE"],)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"x_train": np.array([Hostile()], dtype=object)}, "x_train: Object arrays cannot be"),
        ({"x_train": np.zeros((60, 28, 28), np.float32)}, "x_train: float32, expected whole"),
        ({"x_train": np.full((60, 28, 28), 256)}, "x_train: int64, expected whole"),
        ({"x_train": np.zeros((60, 28, 28), np.uint8)}, "damaged, or not MNIST's: md5 "),
        (
            {"x_train": np.zeros((60, 784), np.uint8)},
            r"shape \(60, 784\), expected \(60, ",
        ),
        (
            {"x_train": np.zeros((59, 28, 28), np.uint8)},
            r"shape \(59, 28, 28\), expected \(60, ",
        ),
    ],
    ids=["pickle", "floats", "too bright", "other pixels", "rows", "one less"],
)
def test_what_is_wrong_with_an_npz(change, fault, raw, tmp_path, monkeypatch):
    monkeypatch.setenv("HOSTILE", str(tmp_path / "it ran"))
    user = put(tmp_path / "user", {"mnist.npz": npz(raw, **change)})
    with pytest.raises(MNISTUnavailable, match=f'unusable "{user}/mnist.npz": {fault}'):
        load_digits("mnist", root=user)
    assert_is_drawn(load_digits(root=user))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no npz archive"),
        (b"\x80\x04K\x07.", "no npz archive"),  # a pickle
        ({"x_test": np.zeros(3)}, "expected arrays x_train, y_train, x_test, y_test, got x_test"),
    ],
    ids=["empty", "pickle", "no such array"],
)
def test_what_is_no_npz_of_keras(content, fault, tmp_path):
    if isinstance(content, dict):
        buffer = io.BytesIO()
        np.savez(buffer, **content)
        content = buffer.getvalue()
    user = put(tmp_path / "user", {"mnist.npz": content})
    with pytest.raises(MNISTUnavailable, match=f'unusable "{user}/mnist.npz": {fault}\\.'):
        load_digits("mnist", root=user)


# --- Another data set under MNIST's names --------------------------------------------------------


@pytest.fixture
def others(raw, monkeypatch) -> dict[str, bytes]:
    """Files of the same names and headers with other pixels: here they stand for Fashion-MNIST."""
    made = {name: content[:16] + bytes(len(content) - 16) for name, content in raw.items()}
    for content in made.values():
        digest = hashlib.md5(content).hexdigest()
        monkeypatch.setitem(mnist._OTHERS, digest, "Fashion-MNIST")
    return made


@pytest.mark.parametrize("form", ["dots", "packed again", "Keras"])
def test_fashion_is_refused_and_named(form, others, small, tmp_path, monkeypatch, capsys):
    user = put(tmp_path / "user", FORMS[form](others))
    with Mirror(small) as mirror:
        use_mirrors(monkeypatch, mirror.url)
        with pytest.raises(MNISTUnavailable) as caught:
            load_digits("mnist", root=user)
        named = f'"{sorted(user.iterdir())[-1 if form == "Keras" else 2]}"'
        also = "" if form == "Keras" else " and 3 more files"
        assert str(caught.value).count("Fashion-MNIST") == 1
        assert f"unusable {named}{also}: this is Fashion-MNIST, not MNIST" in str(caught.value)
        assert mirror.requested == []
        assert_is_mnist(load_digits(root=user))
    assert "this is Fashion-MNIST, not MNIST; downloaded)" in the_line(capsys)


def test_an_archive_is_known_by_its_own_checksum(others, small, tmp_path, monkeypatch):
    """Of KMNIST only those are published."""
    archives = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in others.items()}
    known = {hashlib.md5(content).hexdigest(): "KMNIST" for content in archives.values()}
    monkeypatch.setattr(mnist, "_OTHERS", known)
    user = put(tmp_path / "user", archives)
    with pytest.raises(MNISTUnavailable, match=r"and 3 more files: this is KMNIST, not MNIST"):
        load_digits("mnist", root=user)


@pytest.mark.slow
def test_other_data_sets_are_known_as_torchvision_knows_them(monkeypatch):
    monkeypatch.undo()  # the real one
    from torchvision.datasets import KMNIST

    kmnist = {md5 for md5, name in mnist._OTHERS.items() if name == "KMNIST"}
    assert kmnist == {md5 for _, md5 in KMNIST.resources}
    assert sorted(mnist._OTHERS.values()) == ["Fashion-MNIST"] * 4 + ["KMNIST"] * 4
    assert not {md5 for file in mnist.FILES for md5 in (file.gz_md5, file.raw_md5)} & {
        *mnist._OTHERS
    }


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="MNIST's archives are not to be had here")
def test_the_real_mnist_as_keras_has_it(tmp_path):
    files = {name[:-3]: gzip.decompress(content) for name, content in REAL.items()}
    assert_is_mnist(load_digits("mnist", root=put(tmp_path / "user", {"mnist.npz": npz(files)})))


# --- What is there but not read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, raw: b"<html>Log in", "no idx file, it begins with b'<htm'"),
        (lambda name, raw: b"PK\3\4" + raw, r"no idx file, it begins with b'PK\x03\x04'"),
        (lambda name, raw: raw[:-1], "2 more like these"),
        (lambda name, raw: raw[:3], "shape (), expected (60, 28, 28)"),
        (lambda name, raw: raw[:9], "shape (60,), expected (60, 28, 28)"),
    ],
    ids=["a page", "a zip", "cut off", "three bytes", "nine bytes"],
)
def test_four_bad_files_make_one_line(change, said, raw, tmp_path):
    user = put(tmp_path / "user", {name: change(name, content) for name, content in raw.items()})
    with pytest.raises(MNISTUnavailable) as caught:
        load_digits("mnist", root=user)
    first = str(caught.value).splitlines()[0]
    assert said in first and len(first.replace(str(tmp_path), "")) <= 300


def test_a_form_that_is_not_read_is_named(tmp_path, capsys):
    user = put(tmp_path / "user", {"mnist_train.csv": b"5,0,0", "notes.txt": b""})
    assert_is_drawn(load_digits(root=user))
    said = f'(no MNIST in "{user}" ("mnist_train.csv" is in a form that is not read); '
    assert said in the_line(capsys)


def test_a_file_of_a_students_own_is_no_mnist(tmp_path, capsys):
    user = put(tmp_path / "user", {"mnist-vae.npz": b"", "my-train-images-idx3-ubyte": b""})
    assert_is_drawn(load_digits(root=user))
    assert f'(no MNIST in "{user}"; ' in the_line(capsys)


@pytest.mark.slow
def test_a_bomb_is_not_unpacked(small, tmp_path):
    """Ten gigabytes of zeros in ten megabytes: no more is unpacked than MNIST is long."""
    packer, zeros = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()
    assert len(mnist._unpacked(bomb, 1_000)) == 1_001
    user = put(tmp_path / "user", {f"{TEST_LABELS}.gz": bomb})
    with pytest.raises(MNISTUnavailable, match=r"no idx file, it begins with b'\\x00\\x00"):
        load_digits("mnist", root=user)


# --- Folders that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("variable", ['"{}"', "'{}'", " {} ", '" {}"'.replace(" ", "")])
def test_quotes_around_the_variable_are_dropped(variable, raw, tmp_path, monkeypatch, capsys):
    """Windows keeps them: set COURSE_DATA="C:\\my data"."""
    monkeypatch.setenv("COURSE_DATA", variable.format(put(tmp_path / "my data", raw)))
    assert_is_mnist(load_digits("mnist"))
    assert capsys.readouterr().out == "MNIST: 60 + 20 images from $COURSE_DATA\n"


def test_the_variable_shows_what_was_looked_at(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, shown in [
        ('"~/nowhere"', '"~/nowhere" does not exist'),
        ("~nobody-of-that-name/data", '/~nobody-of-that-name/data" does not exist'),
        (str(tmp_path / "a\nb"), '"~/a\\nb" does not exist'),
        ('"half', '/"half" does not exist'),
    ]:
        monkeypatch.setenv("COURSE_DATA", value)
        assert_is_drawn(load_digits())
        out = capsys.readouterr().out
        assert "no MNIST: " in out and shown in out and out.count("\n") == 1
        load_digits("strokes")
        out = capsys.readouterr().out
        assert "not from your folder: " in out and shown in out and out.count("\n") == 1


@pytest.mark.parametrize("root", [3, b"bytes", ["list"], None.__class__])
def test_a_root_that_is_no_path(root):
    with pytest.raises(ValueError, match="root: expected a folder's path, got ") as caught:
        load_digits(root=root)
    assert len(str(caught.value)) <= 300
