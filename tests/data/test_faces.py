"""The drawn faces: each factor against geometry, and `load_faces` where things go wrong."""

import hashlib
import math
import os

import pytest
import torch
from helpers.loaded import faces_file, strokes_file

from course_utils.data import load_digits, load_faces, strokes
from course_utils.data.strokes import FACE_FACTORS, draw_faces, faces


@pytest.fixture(scope="module")
def sample():
    return faces(1000, seed=5, progress=False)


def face(**changed) -> torch.Tensor:
    """One face in the middle of every prior but for some factors, in units of ink (28, 28)."""
    values = {name: mean for name, (mean, _) in FACE_FACTORS.items()} | changed
    return draw_faces({name: torch.tensor([value]) for name, value in values.items()})[0] / 255


def lines(column: torch.Tensor) -> list[float]:
    """Row of the middle of each line of ink that a column crosses, from top to bottom."""
    rows, middles = [], []
    for row, ink in enumerate([*column.tolist(), 0.0]):
        if ink > 0:
            rows.append((row, ink))
        elif rows:
            middles.append(sum(r * i for r, i in rows) / sum(i for _, i in rows))
            rows = []
    return middles


# ----------------------------------------------------------------------------- the drawing


def test_shapes_types_and_labels(sample):
    images, labels, factors = sample
    assert images.shape == (1000, 28, 28) and images.dtype == torch.uint8
    assert labels.dtype == torch.int64 and torch.equal(labels == 1, factors["smile"] > 0)
    assert list(factors) == list(FACE_FACTORS)
    assert all(v.shape == (1000,) and v.dtype == torch.float32 for v in factors.values())
    assert abs(labels.double().mean() - 0.5) < 4.5 * 0.5 / math.sqrt(1000)


def test_factors_are_independent_and_follow_the_prior():
    factors = strokes.sample_factors(20_000, 1, FACE_FACTORS)
    for name, (mean, std) in FACE_FACTORS.items():
        assert 1.9 * std < (factors[name] - mean).abs().max() <= 2 * std * (1 + 1e-5)
        # Cut off at two standard deviations a normal distribution keeps 0.87963 of its own.
        assert factors[name].std() == pytest.approx(0.87963 * std, rel=0.03)
    correlation = torch.corrcoef(torch.stack(list(factors.values())))
    assert (correlation - torch.eye(6)).abs().max() < 5 / math.sqrt(20_000)


def test_same_arguments_same_bytes_and_no_global_state(sample):
    before = torch.get_rng_state()
    images, labels, factors = faces(33, seed=5, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, sample[0][:33]) and torch.equal(labels, sample[1][:33])
    assert all(torch.equal(factors[name], sample[2][name][:33]) for name in FACE_FACTORS)
    assert torch.equal(draw_faces(sample[2]), sample[0])
    assert not torch.equal(faces(33, seed=6, progress=False)[0], images)


def test_an_upright_face_is_the_same_in_a_mirror(sample):
    upright = draw_faces(sample[2] | {"tilt": torch.zeros(1000)})
    assert (upright.int() - upright.flip(2).int()).abs().max() <= 1


def test_faces_stay_on_the_page(sample):
    outside = sample[0].clone()
    outside[:, 1:-1, 1:-1] = 0
    assert outside.max() == 0


def test_smile_lifts_the_corners_of_the_mouth():
    """Sagitta of the mouth, its corners against its middle, read off the image's columns."""
    for smile in (-3.0, -1.5, 0.0, 1.5, 3.0):
        image = face(smile=smile, width=20.0)  # the mouth is then 10.8 pixels wide
        middle = lines(image[:, 13])[-2]  # the last line is the chin
        corner = lines(image[:, 9])[-2]  # 4.5 pixels from the middle between columns 13 and 14
        share = (4.5**2 - 0.5**2) / 5.4**2  # of the parabola's rise
        assert middle - corner == pytest.approx(share * smile, abs=0.25)


def test_eyes_open_and_brows_rise_by_pixels():
    column = 9  # through an eye: 0.215 * 20.5 = 4.4 pixels from the middle
    for opening in (3.0, 3.6, 4.4):
        _, brow, upper, lower, *_ = lines(face(eye_opening=opening, brow_height=6.4)[:, column])
        assert lower - upper == pytest.approx(opening, abs=0.3)
        assert (lower + upper) / 2 - brow == pytest.approx(6.4, abs=0.3)
    brows = [lines(face(brow_height=b)[:, column])[1] for b in (5.4, 6.4)]
    assert brows[0] - brows[1] == pytest.approx(1.0, abs=0.1)


def test_width_thickness_and_tilt():
    for width in (18.0, 20.0, 23.0):
        left, *_, right = lines(face(width=width)[17])  # between eyes and mouth
        level = (17 - 13.5) / (strokes.HEAD_HEIGHT / 2)  # of the row, in half heights
        assert right - left == pytest.approx(width * math.sqrt(1 - level**2), abs=0.3)
    for thickness in (1.1, 1.5, 1.8):  # a straight mouth crossed by a column: its ink
        assert face(smile=0.0, thickness=thickness)[16:23, 13].sum() == pytest.approx(
            thickness, abs=0.01
        )
    # Tilted by t degrees, the line through both eyes rises by tan t: counter-clockwise.
    image = face(smile=0.0, tilt=8.0)
    left, right = (lines(image[:, column])[-2] for column in (10, 17))
    assert math.degrees(math.atan2(left - right, 7)) == pytest.approx(8.0, abs=0.7)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slant": torch.zeros(2)}, "slant"),
        ({"smile": None}, "smile.*got"),
        ({"smile": torch.zeros(3)}, r"\(2,\)"),
        ({"thickness": torch.tensor([1.0, 0.0])}, "positive.*thickness.*0"),
        ({"width": torch.tensor([-20.0, 20.0])}, "positive.*width.*-20"),
        ({"tilt": torch.tensor([0.0, math.nan])}, "finite.*tilt.*nan"),
    ],
)
def test_mistakes_are_named(changed, said):
    factors = {name: torch.full((2,), mean) for name, (mean, _) in FACE_FACTORS.items()} | changed
    with pytest.raises(ValueError, match=said):
        draw_faces({name: value for name, value in factors.items() if value is not None})


def test_none_and_less_than_none():
    images, labels, factors = faces(0)
    assert images.shape == (0, 28, 28) and labels.shape == (0,)
    assert all(value.shape == (0,) for value in factors.values())
    with pytest.raises(ValueError, match="n: expected 0 or more, got -1"):
        faces(-1)


# --------------------------------------------------------------------------- load_faces()


def test_faces_are_cached_and_damage_is_mended(checkout, capsys):
    first = load_faces()
    file = checkout / "data/cache" / faces_file()
    line = f"Drawn faces: 60 + 20 images from data/cache/{file.name}"
    assert capsys.readouterr().out == f"{line} (drawn now)\n"
    assert repr(first).startswith("ImageData('faces', 60 + 20 images, factors smile, ")
    drawn = {"train": faces(60, seed=1, progress=False), "test": faces(20, seed=2, progress=False)}
    for harm in (None, lambda content: content[:-100], lambda content: b""):
        if harm:
            file.write_bytes(harm(file.read_bytes()))
        again = load_faces()
        printed = capsys.readouterr().out
        assert printed.startswith(line) and printed.count("\n") == 1
        assert (f'(unusable "data/cache/{file.name}": ' in printed) == (harm is not None)
        for part, (images, labels, factors) in drawn.items():
            assert torch.equal(getattr(again, f"{part}_images"), images)
            assert torch.equal(getattr(again, f"{part}_labels"), labels)
            known = getattr(again, f"{part}_factors")
            assert list(known) == list(factors)
            assert all(torch.equal(known[name], factors[name]) for name in factors)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_digits_are_never_taken_for_faces(checkout, capsys):
    """Both kinds lie in one folder; old faces go when new ones are drawn, digits stay."""
    load_digits("strokes")
    cache = checkout / "data/cache"
    (cache / "faces-01234567.pt").touch()
    load_faces()
    assert sorted(os.listdir(cache)) == [faces_file(), strokes_file()]
    load_faces()
    load_digits("strokes")
    assert "(drawn now)" not in "".join(capsys.readouterr().out.splitlines()[-2:])


def test_faces_in_the_users_folder_which_is_never_written_to(checkout, tmp_path, capsys):
    load_faces()
    (checkout / "data/cache" / faces_file()).rename(tmp_path / faces_file())
    digest = hashlib.sha256((tmp_path / faces_file()).read_bytes()).hexdigest()
    load_faces(root=tmp_path)
    assert f"from {tmp_path / faces_file()}\n" in capsys.readouterr().out
    assert hashlib.sha256((tmp_path / faces_file()).read_bytes()).hexdigest() == digest
    assert not list((checkout / "data/cache").iterdir())
