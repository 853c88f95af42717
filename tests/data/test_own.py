"""A reader's own pictures: read, made grey, 28 x 28 and ink on nothing, and told in one line."""

import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import ImageData, load_images
from course_utils.models import VAE
from course_utils.training import fit
from course_utils.widgets import LatentTraversal, export_html


def drawing(number: int = 0, side: int = 28) -> np.ndarray:
    """Bright ink in the middle of a dark page, another for each number."""
    page = np.zeros((side, side), dtype=np.uint8)
    page[side // 4 : side // 2, side // 4 : -side // 4] = 100 + number
    page[side // 2, side // 2] = 255
    return page


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Ten drawings of the size that they keep."""
    for number in range(10):
        save(tmp_path / "mine" / f"{number}.png", drawing(number))
    return tmp_path / "mine"


def all_images(data: ImageData) -> torch.Tensor:
    """Training and test images in the order of their brightest grey but one: as they were made."""
    images = torch.cat([data.train_images, data.test_images])
    return images[images[:, 8, 8].argsort()]


def the_line(capsys) -> str:
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out.rstrip()


# --- What comes out ------------------------------------------------------------------------------


def test_a_folder_of_drawings(folder, capsys):
    data = load_images(folder)
    assert isinstance(data, ImageData) and data.name == "images"
    assert repr(data) == "ImageData('images', 9 + 1 images)"
    assert data.train_images.shape == (9, 28, 28) and data.test_images.shape == (1, 28, 28)
    assert data.train_images.dtype == torch.uint8 and data.train_labels.dtype == torch.int64
    assert data.train_factors is data.test_factors is None
    assert not data.train_labels.any() and data.test_labels.tolist() == [0]
    assert (all_images(data).numpy() == [drawing(number) for number in range(10)]).all()
    where = f'"{folder}"'
    assert the_line(capsys) == (
        f"Your pictures: 9 + 1 images from {where} (not inverted, as 0 of 10 have a bright border)"
    )


def test_the_shuffle_depends_on_the_seed_alone(folder):
    first, again, other = load_images(folder), load_images(folder), load_images(folder, seed=1)
    assert first.train_images.equal(again.train_images)
    assert first.test_images.equal(again.test_images)
    assert not first.train_images.equal(other.train_images)
    assert all_images(first).equal(all_images(other))


@pytest.mark.parametrize(
    ("share", "tests"), [(0.1, 1), (0.3, 3), (np.float64(0.5), 5), (0.001, 1), (0.999, 9)]
)
def test_the_share_of_test_images(share, tests, folder):
    data = load_images(folder, test_share=share)
    assert (len(data.train_images), len(data.test_images)) == (10 - tests, tests)


def test_subfolders_are_classes(tmp_path, capsys):
    for number, name in enumerate(["dogs", "cats", "cats/more", "owls"]):
        save(tmp_path / name / "a.png", drawing(number))
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    save(tmp_path / ".hidden" / "a.png", drawing(9))
    (tmp_path / "dogs" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "dogs" / "._a.png").write_bytes(b"")
    data = load_images(tmp_path, test_share=0.25)
    labels, images = (
        torch.cat([getattr(data, f"{part}_{kind}") for part in ("train", "test")])
        for kind in ("labels", "images")
    )
    found = sorted(zip(images[:, 8, 8].tolist(), labels.tolist()))
    assert found == [(100, 1), (101, 0), (102, 0), (103, 2)]
    line = the_line(capsys)
    assert "classes 0 = cats, 1 = dogs, 2 = owls)" in line and "left out" not in line


def test_folders_named_by_numbers_are_labels(tmp_path, capsys):
    for number in (10, 2, 7):
        save(tmp_path / str(number) / "a.png", drawing(number))
    data = load_images(tmp_path)
    images, labels = (
        torch.cat(pair)
        for pair in zip(
            (data.train_images, data.train_labels), (data.test_images, data.test_labels)
        )
    )
    assert (images[:, 8, 8] - 100).tolist() == labels.tolist()
    assert "classes 2 = 2, 7 = 7, 10 = 10" in the_line(capsys)


def test_pictures_beside_the_classes_are_left_out(tmp_path, capsys):
    for name in ("a/1.png", "b/1.png", "cover.png"):
        save(tmp_path / name, drawing())
    data = load_images(tmp_path)
    assert len(data.train_images) + len(data.test_images) == 2
    assert 'left out beside the folders of classes: 1 file ("cover.png")' in the_line(capsys)


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights here")
def test_links_are_followed_once(tmp_path, folder):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "linked").symlink_to(folder)
    (folder / "back").symlink_to(tmp_path / "all")
    data = load_images(tmp_path / "all")
    assert len(data.train_images) == 9


# --- What is done to them ------------------------------------------------------------------------


def test_scaled_pixels_are_means(tmp_path, capsys):
    rng = np.random.default_rng(0)
    large = rng.integers(0, 100, (2, 56, 56), dtype=np.uint8)
    for number, pixels in enumerate(large):
        save(tmp_path / f"{number}.png", pixels)
    images = load_images(tmp_path).train_images.numpy().astype(float)
    expected = large.reshape(2, 28, 2, 28, 2).mean((2, 4))
    assert min(abs(images[0] - mean).max() for mean in expected) <= 1  # rounded twice
    assert "2 scaled from 56 x 56 to 28 x 28" in the_line(capsys)


def test_the_middle_square_of_mixed_sizes(tmp_path, capsys):
    wide = np.zeros((28, 100), dtype=np.uint8)
    wide[:, 36:64] = drawing(1)
    tall = np.full((84, 28), 99, dtype=np.uint8)
    tall[28:56] = drawing(2)
    for name, pixels in {"wide": wide, "tall": tall, "small": drawing(side=7)}.items():
        save(tmp_path / f"{name}.png", pixels)
    images = all_images(load_images(tmp_path)).numpy()
    assert (images[1] == drawing(1)).all() and (images[2] == drawing(2)).all()
    line = the_line(capsys)
    assert "the middle square cut out of 2; 1 scaled from several sizes to 28 x 28" in line


PAPER = 255 - drawing()


@pytest.mark.parametrize(
    ("invert", "expected", "said"),
    [
        (None, drawing(), "inverted, as 2 of 2 have a bright border"),
        (True, drawing(), "inverted, as asked"),
        (np.True_, drawing(), "inverted, as asked"),
        (False, PAPER, "not inverted, as asked"),
    ],
)
def test_ink_on_paper(invert, expected, said, tmp_path, capsys):
    for name in "ab":
        save(tmp_path / f"{name}.png", PAPER)
    data = load_images(tmp_path, invert=invert)
    assert (data.train_images.numpy() == expected).all()
    assert f"({said})" in the_line(capsys)


def test_most_borders_decide(tmp_path, capsys):
    for number, pixels in enumerate([PAPER, drawing(), drawing()]):
        save(tmp_path / f"{number}.png", pixels)
    load_images(tmp_path)
    assert "(not inverted, as 1 of 3 have a bright border)" in the_line(capsys)
    save(tmp_path / "3.png", PAPER)
    load_images(tmp_path)
    assert "(not inverted, as 2 of 4 have a bright border)" in the_line(capsys)
    save(tmp_path / "4.png", PAPER)
    load_images(tmp_path)
    assert "(inverted, as 3 of 5 have a bright border)" in the_line(capsys)


def in_mode(mode: str) -> Image.Image:
    """The drawing in a mode of Pillow's."""
    grey = Image.fromarray(drawing())
    if mode == "I;16":
        return Image.fromarray(drawing().astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(drawing().astype(np.float32) / 255)
    if mode == "transparent ink":  # dark ink, and all else a hole
        return Image.merge("LA", [Image.new("L", grey.size), grey])
    if mode == "transparent chalk":
        return Image.merge("LA", [Image.new("L", grey.size, 255), grey])
    return grey.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind", "off"),
    [
        ("RGB", "png", 0),
        ("P", "gif", 0),
        ("P", "png", 0),
        ("I;16", "png", 0),
        ("F", "tiff", 1),
        ("RGBA", "png", 1),
        ("CMYK", "tiff", 1),
        ("L", "bmp", 0),
        ("L", "webp", 60),
        ("L", "jpeg", 60),
        ("transparent ink", "png", 1),
        ("transparent chalk", "png", 1),
    ],
)
def test_modes_and_formats(mode, kind, off, tmp_path):
    for name in "ab":
        in_mode(mode).save(tmp_path / f"{name}.{kind}")
    found = load_images(tmp_path).train_images[0].numpy().astype(int)
    assert abs(found - drawing()).max() <= off


def test_a_large_photo_that_lay_on_its_side(tmp_path):
    """Cameras write down how they were held; JPEGs are read no larger than is needed."""
    turned = np.zeros((1120, 1120), dtype=np.uint8)
    turned[:560, :280] = 200  # of the upright picture: the upper left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise to see it upright
    for name in "ab":
        Image.fromarray(np.rot90(turned)).save(tmp_path / f"{name}.jpg", exif=exif, quality=95)
    found = load_images(tmp_path).train_images[0].numpy().astype(int)
    expected = turned[::40, ::40].astype(int)
    assert abs(found - expected).max() < 20


# --- Arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a,
        torch.from_numpy,
        lambda a: a.astype(np.float32) / 255,
        lambda a: a.astype(np.float64) / 255,
        lambda a: torch.from_numpy(a).double().div(255).requires_grad_(),
        lambda a: torch.from_numpy(a / 255).half(),
        lambda a: np.repeat(a[..., None], 3, axis=3),
        lambda a: np.asfortranarray(a),
    ],
)
def test_arrays(form, capsys):
    drawn = np.stack([drawing(number) for number in range(10)])
    data = load_images(form(drawn))
    assert (abs(all_images(data).numpy().astype(int) - drawn) <= 1).all()
    assert (len(data.train_images), len(data.test_images)) == (9, 1)
    assert "from an array (not inverted, " in the_line(capsys)


def test_an_array_stays_as_it_is():
    drawn = np.stack([PAPER] * 4)
    load_images(drawn)
    assert (drawn == PAPER).all()


# --- What is wrong with them ---------------------------------------------------------------------


def test_what_pillow_cannot_read_is_counted_and_named(folder, capsys):
    (folder / "labels.csv").write_text("1,2")
    (folder / "empty.png").write_bytes(b"")
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "noise.jpg").write_bytes(b"\xff\xd8" + os.urandom(100))
    assert len(load_images(folder).train_images) == 9
    line = the_line(capsys)
    said = (
        'left out, as Pillow cannot read them: 4 files ("cut.png", "empty.png", ..., "noise.jpg")'
    )
    assert said in line and len(line) <= 300


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path, r'no pictures in ".*nothing"$'),
        (lambda path: path / "missing", 'missing" does not exist'),
        (lambda path: path.parent / "file.png", 'file.png" is a file, expected a folder'),
    ],
)
def test_folders_without_pictures(make, said, tmp_path):
    (tmp_path / "nothing").mkdir()
    save(tmp_path / "file.png", drawing())
    for form in (str, lambda path: path):
        with pytest.raises(ValueError, match=f"pictures: .*{said}"):
            load_images(form(make(tmp_path / "nothing")))


def test_a_folder_of_other_files(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("no picture")
    said = r'no pictures in ".*", and 5 files \("0.txt", "1.txt", ..., "4.txt"\), which Pillow'
    with pytest.raises(ValueError, match=said) as caught:
        load_images(tmp_path)
    assert "\n" not in str(caught.value)


def test_one_picture_is_not_enough(tmp_path):
    save(tmp_path / "a.png", drawing())
    with pytest.raises(ValueError, match="expected two or more, to train and to test, got 1"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (3, "expected a folder or an array, got 3"),
        (None, "expected a folder or an array, got None"),
        ([drawing()], "expected a folder or an array, got"),
        (torch.zeros(4, 28, 28).to_sparse(), "expected a folder or an array, got Tensor of shape"),
        (torch.zeros(4, 28, 28, device="meta"), "expected a folder or an array, got Tensor"),
        (drawing(), r"expected shape \(N, H, W\) or \(N, H, W, 3\), got \(28, 28\)"),
        (np.zeros((28, 28, 3), np.uint8), r"expected shape .* got \(28, 28, 3\)"),
        (np.zeros((5, 1, 28, 28), np.uint8), r"expected shape .* got \(5, 1, 28, 28\)"),
        (np.zeros((5, 784), np.uint8), r"expected shape .* got \(5, 784\)"),
        (np.zeros((0, 28, 28), np.uint8), r"expected shape .* got \(0, 28, 28\)"),
        (np.zeros((5, 28, 28), np.int64), "expected uint8 or floats from 0 to 1, got int64"),
        (np.zeros((5, 28, 28), bool), "expected uint8 or floats from 0 to 1, got bool"),
        (np.zeros((5, 28, 28), complex), "expected uint8 or floats from 0 to 1, got complex128"),
        (np.full((5, 28, 28), 255.0), "expected floats from 0 to 1, got 255 to 255"),
        (np.full((5, 28, 28), -0.5), "expected floats from 0 to 1, got -0.5 to -0.5"),
        (np.full((5, 28, 28), np.nan), "expected floats from 0 to 1, got nan to nan"),
        (np.zeros((1, 28, 28), np.uint8), "expected two or more, to train and to test, got 1"),
    ],
)
def test_what_is_no_array_of_pictures(pictures, said):
    with pytest.raises(ValueError, match=f"pictures: {said}") as caught:
        load_images(pictures)
    assert len(str(caught.value)) <= 300 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"test_share": 0}, "test_share: expected more than 0 and less than 1, got 0"),
        ({"test_share": 1.0}, "test_share: expected more than 0 and less than 1, got 1.0"),
        ({"test_share": "0.1"}, "test_share: expected more than 0"),
        ({"seed": 0.5}, "seed: expected a whole number"),
        ({"invert": "yes"}, "invert: expected None, True or False, got 'yes'"),
        ({"invert": 1}, "invert: expected None, True or False, got 1"),
    ],
)
def test_wrong_options(given, said, folder):
    with pytest.raises(ValueError, match=said):
        load_images(folder, **given)


# --- What it is for ------------------------------------------------------------------------------


@pytest.mark.slow
def test_fit_explorers_and_exports_take_them(folder, tmp_path, capsys):
    data = load_images(folder, test_share=0.5)
    torch.manual_seed(0)
    model = VAE(2, 16)
    history = fit(model, data, epochs=1, batch_size=5)
    assert history is not None
    explorer = LatentTraversal(model, data.test_images, data.test_labels)
    assert Image.open(io.BytesIO(explorer.image.value)).size[0] > 0
    export_html(model, tmp_path / "page.html", images=data.test_images, labels=data.test_labels)
    assert (tmp_path / "page.html").stat().st_size > 1_000
