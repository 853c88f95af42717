"""Digits and faces drawn with pen strokes from known factors: the course's embedded data sets.

When MNIST cannot be had, these digits stand in for it. An expert chose their latent variables
(slant, rotation, width, height, thickness), so disentanglement can be measured, not admired.

Three floors, and none knows the ones above it: the *pen* turns paths in the plane into images,
the *glyphs* say which paths make a digit, the *factors* say how a writer sizes and leans them.
The *faces* stand on the pen as well: their factors say all there is to draw.

The plane: x points right, y points up, the unit is one pixel, and the origin is the centre of
pixel (14, 14), where MNIST puts the centre of mass.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor
from tqdm.auto import tqdm

from course_utils.arguments import count, described

SIZE = 28  # pixels per side


def _on_the_cpu(draw: Callable) -> Callable:
    """Draws there whatever torch's default device is: the same on every machine."""

    @functools.wraps(draw)
    def on_the_cpu(*arguments, **named):
        with torch.device("cpu"):
            return draw(*arguments, **named)

    return on_the_cpu


# --------------------------------------------------------------------------------- the pen

CHUNK = 300_000  # distances held at once: few enough to stay in the processor's cache


@_on_the_cpu
def draw_paths(paths: Tensor, thickness: Tensor) -> Tensor:
    """Draw one path per image with a round pen.

    A pixel at distance d from the path gets the ink clamp(1/2 + thickness/2 - d, 0, 1): the edge
    is one pixel soft. Distances are exact; there is no finer grid to draw on and average over.

    Args:
        paths: (B, P, 2) with P >= 2, points (x, y) in the module's plane, joined by straight
            lines. A point of NaNs lifts the pen; shorter paths are padded with NaNs.
        thickness: (B,), diameter of the pen in pixels.

    Returns:
        uint8 (B, 28, 28), 255 is full ink. An image does not depend on the rest of the batch, nor
        on the processor.

    Raises:
        ValueError: if the shapes are not those above.
    """
    if paths.ndim != 3 or paths.shape[1] < 2 or paths.shape[2] != 2:
        raise ValueError(f"expected paths of shape (B, P >= 2, 2), got {tuple(paths.shape)}")
    if thickness.shape != paths.shape[:1]:
        raise ValueError(
            f"expected thickness of shape ({len(paths)},), got {tuple(thickness.shape)}"
        )
    images = torch.empty(len(paths), SIZE, SIZE, dtype=torch.uint8)
    step = max(1, CHUNK // (paths.shape[1] * SIZE * SIZE))
    for first in range(0, len(paths), step):
        chunk = slice(first, first + step)
        distance = _distance_to_path(paths[chunk].float())
        ink = (0.5 + thickness[chunk, None, None].float() / 2 - distance).clamp(0, 1)
        images[chunk] = (255 * ink).round().to(torch.uint8)
    return images


def _distance_to_path(paths: Tensor) -> Tensor:
    """Distance in pixels from every pixel to the path: (B, P, 2) -> (B, 28, 28).

    Seen from a segment's middle, a pixel lies so far along the segment and so far across it.
    Its distance is the hypotenuse of `across` and of what `along` exceeds half the length by.
    """
    start, stop = paths[:, :-1], paths[:, 1:]  # (B, S, 2), the S = P - 1 segments
    length = (stop - start).square().sum(dim=-1).sqrt()  # norm() rounds by processor
    middle = torch.where(length.isnan()[..., None], 1e6, (start + stop) / 2)  # lifted: far away
    direction = (stop - start) / length[..., None]
    some = torch.tensor([1.0, 0.0])  # a dot or a lift has no direction, any will do
    cos, sin = torch.where(length[..., None] > 1e-6, direction, some)[..., None].unbind(-2)
    length = length.nan_to_num(0.0)
    pixel = torch.arange(SIZE) - SIZE // 2
    x = pixel - middle[..., :1]  # (B, S, 28), by column
    y = -pixel - middle[..., 1:]  # (B, S, 28), by row: row 0 is the top one

    # Each coordinate is a part by column plus a part by row: one addition per pixel. Sums and
    # products alone also round alike for any batch size, so a chunk never changes an image.
    along = (sin * y)[..., :, None] + (cos * x)[..., None, :]  # (B, S, 28, 28)
    across = (cos * y)[..., :, None] - (sin * x)[..., None, :]
    along.abs_().sub_(length[..., None, None] / 2).clamp_(min=0).square_()
    return along.add_(across.square_()).amin(dim=1).sqrt_()


# ------------------------------------------------------------------------------ the glyphs

# Styles of writing a digit: (share of writers, strokes). The points the pen passes through lie in
# a box of 100 by 100, x right, y up. "|" makes the point before it a corner, "/" lifts the pen.
GLYPHS = {
    0: [
        (0.5, "52 100, 15 84, 0 48, 16 12, 50 0, 86 16, 100 52, 84 87, 46 99"),
        (0.5, "74 90, 36 98, 5 62, 12 16, 48 0, 88 20, 97 60, 76 92, 42 90"),
    ],
    1: [
        (0.8, "50 100, 50 67, 50 33, 50 0"),
        (0.14, "24 76, 52 100 | 52 50, 52 0"),
        (0.06, "22 76, 52 100 | 52 50, 52 0 / 15 0, 50 1, 90 0"),
    ],
    2: [
        (0.5, "8 78, 34 99, 74 90, 76 62, 46 28, 4 2 | 48 5, 98 3"),
        (0.35, "8 80, 38 100, 76 84, 66 48, 32 10, 8 2, 4 15, 22 23, 54 9, 98 4"),
        (0.15, "14 84, 46 100, 70 80, 54 38, 20 2, 2 14, 20 34, 56 18, 94 0"),
    ],
    3: [
        (0.5, "8 86, 42 100, 78 80, 34 54 | 82 42, 82 12, 44 0, 4 12"),
        (0.4, "10 88, 46 100, 78 82, 58 58, 38 52, 66 49, 86 28, 56 1, 6 10"),
        (0.1, "8 95, 80 98 | 38 60 | 84 44, 80 10, 42 0, 4 10"),
    ],
    4: [
        (0.45, "18 97, 6 46 | 50 44, 96 50 / 76 99, 74 50, 70 0"),
        (0.3, "16 96, 10 60, 34 44, 74 56 / 80 100, 76 50, 70 0"),
        (0.25, "70 100, 4 36 | 50 35, 98 38 / 70 100, 70 50, 68 0"),
    ],
    5: [
        (0.45, "24 97, 14 56 | 56 62, 84 34, 56 3, 4 6 / 24 97, 60 96, 98 99"),
        (0.35, "94 97, 28 95 | 16 55 | 60 60, 82 30, 50 1, 4 8"),
        (0.2, "94 99, 48 97, 24 74, 62 52, 76 22, 42 0, 4 8"),
    ],
    6: [
        (0.5, "66 100, 30 74, 8 32, 36 1, 82 14, 74 43, 38 42, 12 20"),
        (0.5, "50 100, 16 64, 6 20, 46 0, 92 20, 72 48, 26 34"),
    ],
    7: [
        (0.55, "8 88, 48 94, 90 98 | 64 52, 42 0"),
        (0.25, "12 74, 14 93 | 90 97 | 66 54, 46 0"),
        (0.2, "8 90, 48 95, 90 98 | 64 52, 42 0 / 24 46, 56 48, 90 50"),
    ],
    8: [
        (0.5, "80 86, 48 100, 16 82, 46 55, 82 24, 46 0, 10 22, 48 53, 82 80, 74 94"),
        (0.25, "80 90, 44 100, 16 80, 48 56, 76 26, 44 0, 14 20, 52 54, 96 98"),
        (0.25, "50 53, 18 76, 50 100, 82 76, 50 53, 10 24, 50 0, 90 24, 46 56"),
    ],
    9: [
        (0.4, "82 86, 48 100, 10 78, 34 50, 74 66, 84 92 | 82 44, 74 0"),
        (0.4, "80 68, 42 49, 8 74, 42 100, 80 86, 80 42, 68 0"),
        (0.2, "84 86, 46 100, 10 72, 44 50, 82 74, 84 44, 54 4, 14 8"),
    ],
}
SPAN = 4  # straight lines that stand for the curve between two neighbouring points
WAVES, POINTS = 2, 16  # waves that warp a glyph; points of a glyph, at most
NOISE = 1 + 4 * WAVES + 2 * POINTS  # random numbers per image: style, warp, jitter
WAVE_NUMBER = 4.0  # radians per box: a wave is one and a half boxes long
WARP, JITTER = 0.06, 0.02  # standard deviations of a wave's amplitude and of a point, in boxes


def _smooth(points: Tensor) -> Tensor:
    """Catmull-Rom curve through points: (B, n, 2) -> (B, SPAN * (n - 1) + 1, 2)."""
    before, after = 2 * points[:, :1] - points[:, 1:2], 2 * points[:, -1:] - points[:, -2:-1]
    padded = torch.cat([before, points, after], dim=1)[:, :, None]
    a, b, c, d = (padded[:, i : i + points.shape[1] - 1] for i in range(4))  # (B, n - 1, 1, 2)
    t = torch.arange(SPAN)[:, None] / SPAN
    curve = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return torch.cat([curve.flatten(1, 2), points[:, -1:]], dim=1)


def _write(strokes: str, noise: Tensor) -> Tensor:
    """Write a glyph once for each of B unsteady hands.

    Every point is moved a little on its own; then slow waves bend the whole plane, which keeps
    neighbours together; then the height is made 1 again, to leave it to the factors.

    Args:
        strokes: one entry of GLYPHS.
        noise: (B, NOISE - 1), uniform in (0, 1).

    Returns:
        (B, P, 2), paths about the box [-1/2, 1/2] x [-1/2, 1/2], x right, y up.
    """
    waves = noise[:, : 4 * WAVES].unflatten(1, (WAVES, 1, 4))
    jitter = JITTER * _normal(noise[:, 4 * WAVES :]).unflatten(1, (POINTS, 2))
    pieces, used = [], 0
    for stroke in strokes.split("/"):
        corner = jitter[:, :0]  # none yet
        for piece in stroke.split("|"):
            points = torch.tensor([[int(v) for v in xy.split()] for xy in piece.split(",")])
            points = points / 100 - 0.5 + jitter[:, used : used + len(points)]
            used += points.shape[1]
            pieces.append(_smooth(torch.cat([corner, points], dim=1)))
            corner = points[:, -1:]
        pieces.append(torch.full_like(corner, math.nan))
    x, y = torch.cat(pieces, dim=1).unbind(-1)  # (B, P) each
    for wave in waves.unbind(1):
        direction, phase = (2 * math.pi * wave[..., :2]).unbind(-1)  # (B, 1) each
        shift_x, shift_y = (WARP * _normal(wave[..., 2:])).unbind(-1)
        swing = (WAVE_NUMBER * (direction.cos() * x + direction.sin() * y) + phase).sin()
        x, y = x + shift_x * swing, y + shift_y * swing
    low = y.nan_to_num(math.inf).amin(1, keepdim=True)
    high = y.nan_to_num(-math.inf).amax(1, keepdim=True)
    return torch.stack([x, (y - low) / (high - low) - 0.5], dim=-1)


# ----------------------------------------------------------------------------- the factors

# Mean and standard deviation of the normal distribution that each factor is drawn from.
FACTORS = {
    "slant": (0.16, 0.22),  # tangent of the angle by which uprights lean to the right
    "rotation": (0.0, 5.0),  # degrees counter-clockwise, after the slant
    "width": (13.0, 1.8),  # pixels that the glyphs' box is wide, before slant and rotation
    "height": (16.0, 1.0),  # pixels from the path's lowest point to its highest, before both
    "thickness": (2.6, 0.6),  # pixels, diameter of the pen
}
POSITIVE = {"width", "height", "thickness"}  # the factors that are sizes, of digits and faces
CUT = 2.0  # standard deviations at which every normal distribution here is cut off


@_on_the_cpu
def sample_factors(
    n: int, seed: int = 0, priors: Mapping[str, tuple[float, float]] = FACTORS
) -> dict[str, Tensor]:
    """Draw n independent values of each factor from its prior.

    The priors are normal distributions, cut off at two standard deviations: the thickness of a
    digit, say, lies between 1.4 and 3.8 pixels.

    Args:
        n: number of values of each factor.
        seed: of the draws; a seed's factors are those of `digits` and `faces` with that seed.
        priors: mean and standard deviation of each factor: FACTORS or FACE_FACTORS.

    Returns:
        float32 (n,) for each factor in `priors`, in the units of `draw_digits` or `draw_faces`.
        The first values do not depend on n.

    Raises:
        ValueError: if n or seed is no whole number, or negative.
    """
    n, seed = count("n", n, least=0), count("seed", seed, least=0)
    noise = _normal(_uniform(n, len(priors), seed, stream=0))
    return {
        name: (mean + std * noise[:, i]).float()
        for i, (name, (mean, std)) in enumerate(priors.items())
    }


@_on_the_cpu
def draw_digits(
    labels: Tensor, factors: Mapping[str, Tensor], seed: int = 0, progress: bool = False
) -> Tensor:
    """Draw the given digits with the given factors, centred by their ink.

    The style of writing (a 7 with or without a bar), jitter and warp are noise from the seed.
    Image i depends on labels[i], factors[...][i], seed and i alone, so the first images of a
    longer call are the same bytes; to change one factor of one handwriting, keep seed and i.

    Args:
        labels: int64 (N,), 0 to 9.
        factors: (N,) for each of
            slant: tangent, x is moved by slant * y; positive leans right (-0.3 to 0.6);
            rotation: degrees counter-clockwise, after the slant (-10 to 10);
            width: pixels from the left to the right of the box that the glyph is written in,
                before the slant; most digits fill it, a 1 does not (9 to 17);
            height: pixels from the path's lowest point to its highest, before the rotation;
                the ink is one thickness higher (14 to 18);
            thickness: pixels, diameter of the pen (1.4 to 3.8).
        seed: of the noise.
        progress: show a bar if it takes more than two seconds.

    Returns:
        uint8 (N, 28, 28), 255 is full ink.

    Raises:
        ValueError: for labels that are not integers from 0 to 9, missing or unknown factors,
            wrong shapes, numbers that are not finite, sizes that are not positive.
    """
    _check_labels(labels)
    _check_factors(factors, FACTORS, len(labels))
    noise = _uniform(len(labels), NOISE, seed, stream=1)
    images = torch.empty(len(labels), SIZE, SIZE, dtype=torch.uint8)
    with tqdm(total=len(labels), desc="drawing digits", delay=2, disable=not progress) as bar:
        for digit, styles in GLYPHS.items():
            shares = torch.tensor([share for share, _ in styles], dtype=torch.float64)
            style = (noise[:, :1] > shares.cumsum(0)[:-1]).sum(dim=1)
            for i, (_, strokes) in enumerate(styles):
                rows = ((labels == digit) & (style == i)).nonzero()[:, 0]
                if len(rows) == 0:
                    continue
                values = {name: value[rows].double() for name, value in factors.items()}
                paths = _place(_write(strokes, noise[rows, 1:]), **values)
                images[rows] = draw_paths(paths, values["thickness"])
                bar.update(len(rows))
    return images


@_on_the_cpu
def digits(
    n: int, seed: int = 0, progress: bool = True
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Draw n digits of random, balanced classes, with factors from the prior.

    Every ten images in a row hold each class once, in random order, so that any first part is
    balanced. The first images do not depend on n.

    Args:
        n: number of images.
        seed: of labels, factors and handwriting.
        progress: show a bar if it takes more than two seconds.

    Returns:
        images uint8 (n, 28, 28), labels int64 (n,), factors as from `sample_factors`.

    Raises:
        ValueError: if n or seed is no whole number, or negative.
    """
    n, seed = count("n", n, least=0), count("seed", seed, least=0)
    factors = sample_factors(n, seed)
    labels = _uniform(math.ceil(n / 10), 10, seed, stream=2).argsort(dim=1).flatten()[:n]
    return draw_digits(labels, factors, seed, progress), labels, factors


def _place(
    paths: Tensor, slant: Tensor, rotation: Tensor, width: Tensor, height: Tensor, **_: Tensor
) -> Tensor:
    """Size, slant, turn and centre paths: (B, P, 2) in boxes -> (B, P, 2) in pixels."""
    x, y = width[:, None] * paths[..., 0], height[:, None] * paths[..., 1]
    paths = _turn(x + slant[:, None] * y, y, rotation)
    # The ink is spread evenly along the path: its centre is the mean of the segments' middles,
    # weighted by length. A pen lift has length NaN and no weight.
    length = paths.diff(dim=1).norm(dim=-1, keepdim=True)
    middle = (paths[:, :-1] + paths[:, 1:]) / 2
    return paths - (length * middle).nansum(1, keepdim=True) / length.nansum(1, keepdim=True)


def _turn(x: Tensor, y: Tensor, degrees: Tensor) -> Tensor:
    """Turn points counter-clockwise about the origin: (B, P) twice and (B,) -> (B, P, 2)."""
    angle = degrees[:, None] * (math.pi / 180)
    x, y = angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y
    return torch.stack([x, y], dim=-1)


def _uniform(rows: int, columns: int, seed: int, stream: int) -> Tensor:
    """Uniform noise (rows, columns), float64; a row does not depend on how many there are."""
    generator = torch.Generator().manual_seed(3 * seed + stream)  # three streams per seed
    return torch.rand(rows, columns, generator=generator, dtype=torch.float64)


def _normal(uniform: Tensor) -> Tensor:
    """Turn uniform into standard normal noise, cut off at +-CUT: no digit flies to pieces."""
    tail = 0.5 * math.erfc(CUT / math.sqrt(2))
    return torch.special.ndtri(tail + (1 - 2 * tail) * uniform)


def _check_labels(labels: Tensor) -> None:
    """Raise a ValueError unless these are digits that `draw_digits` can draw."""
    if not isinstance(labels, Tensor):
        raise ValueError(f"expected labels as a tensor, got {described(labels)}")
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise ValueError(f"expected labels int64 (N,), got {labels.dtype} {tuple(labels.shape)}")
    wrong = labels[(labels < 0) | (labels > 9)]
    if len(wrong):
        raise ValueError(f"expected labels from 0 to 9, got {wrong[0].item()}")


def _check_factors(factors: Mapping[str, Tensor], expected: Iterable[str], n: int) -> None:
    """Raise a ValueError unless there are n sensible values of each expected factor."""
    if not isinstance(factors, Mapping):
        raise ValueError(f"expected factors as a dict of tensors, got {described(factors)}")
    if set(factors) != set(expected):
        raise ValueError(f"expected the factors {sorted(expected)}, got {sorted(factors)}")
    for name, value in factors.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"expected {name} as a tensor, got {described(value)}")
        if value.shape != (n,):
            raise ValueError(f"expected {name} of shape ({n},), got {tuple(value.shape)}")
        positive = name in POSITIVE
        wrong = value[~value.isfinite() | ((value <= 0) & positive)]
        if len(wrong):
            kind = "positive" if positive else "finite"
            raise ValueError(f"expected {kind} numbers of {name}, got {wrong[0].item()}")


# ------------------------------------------------------------------------------- the faces

# Mean and standard deviation of the normal distribution that each factor is drawn from.
FACE_FACTORS = {
    "smile": (0.0, 1.7),  # pixels that the mouth's corners lie above its middle
    "eye_opening": (2.8, 0.9),  # pixels from the lower lid to the upper
    "brow_height": (5.0, 0.7),  # pixels from the middle of an eye up to its brow
    "width": (20.5, 1.4),  # pixels that the head is wide
    "tilt": (0.0, 5.0),  # degrees counter-clockwise
    "thickness": (1.45, 0.2),  # pixels, diameter of the pen
}
HEAD_HEIGHT = 23.0  # pixels; this and what follows is the same for all faces
EYE_LEVEL, MOUTH_LEVEL = 0.4, -6.0  # pixels above the middle of the head
EYE_SIDE, MOUTH_HALF = 0.215, 0.27  # distance to the middle and half width, in widths of the head
EYE_HALF, BROW_HALF, BROW_ARCH = 2.0, 2.3, 0.8  # half widths, and the brow's rise, in pixels


@_on_the_cpu
def draw_faces(factors: Mapping[str, Tensor], progress: bool = False) -> Tensor:
    """Draw faces with the given factors.

    There is no noise: a face is its six factors, and nothing else varies.

    Args:
        factors: (N,) for each of
            smile: pixels that the mouth's corners lie above its middle; the mouth is a piece of a
                parabola, and below zero it frowns (-3.4 to 3.4);
            eye_opening: pixels from the lower lid to the upper (1 to 4.6);
            brow_height: pixels from the middle of an eye up to the top of its brow (3.6 to 6.4);
            width: pixels that the head is wide; eyes and mouth keep their share (17.7 to 23.3);
            tilt: degrees counter-clockwise, of the whole face (-10 to 10);
            thickness: pixels, diameter of the pen (1.05 to 1.85).
        progress: show a bar if it takes more than two seconds.

    Returns:
        uint8 (N, 28, 28), 255 is full ink.

    Raises:
        ValueError: for missing or unknown factors, wrong shapes, numbers that are not finite,
            sizes that are not positive.
    """
    first = next(iter(factors.values()), None) if isinstance(factors, Mapping) else None
    n = len(first) if isinstance(first, Tensor) and first.ndim else 0
    _check_factors(factors, FACE_FACTORS, n)
    images = torch.empty(n, SIZE, SIZE, dtype=torch.uint8)
    with tqdm(total=n, desc="drawing faces", delay=2, disable=not progress) as bar:
        for first in range(0, n, 500):
            rows = slice(first, first + 500)
            values = {name: value[rows].double() for name, value in factors.items()}
            images[rows] = draw_paths(_face(**values), values["thickness"])
            bar.update(len(images[rows]))
    return images


@_on_the_cpu
def faces(
    n: int, seed: int = 0, progress: bool = True
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Draw n faces with factors from the prior. The first images do not depend on n.

    Args:
        n: number of images.
        seed: of the factors.
        progress: show a bar if it takes more than two seconds.

    Returns:
        images uint8 (n, 28, 28), labels int64 (n,), 1 where the face smiles (smile > 0) and 0
        where it does not, factors as from `sample_factors`.

    Raises:
        ValueError: if n or seed is no whole number, or negative.
    """
    n, seed = count("n", n, least=0), count("seed", seed, least=0)
    factors = sample_factors(n, seed, FACE_FACTORS)
    return draw_faces(factors, progress), (factors["smile"] > 0).long(), factors


def _face(
    smile: Tensor,
    eye_opening: Tensor,
    brow_height: Tensor,
    width: Tensor,
    tilt: Tensor,
    **_: Tensor,
) -> Tensor:
    """The paths of faces: head, two eyes, two brows, mouth. (B,) each -> (B, P, 2) in pixels."""
    smile, opening, brow, width = (
        value[:, None] for value in (smile, eye_opening, brow_height, width)
    )
    across = torch.linspace(-1, 1, 9, dtype=torch.float64)  # along a brow or the mouth
    mouth_x = MOUTH_HALF * width * across
    mouth_y = MOUTH_LEVEL + smile * (across.square() - 0.5)  # the middle sinks as corners rise
    strokes = [_ellipse(0 * width, 0.0, width / 2, HEAD_HEIGHT / 2, 33), (mouth_x, mouth_y)]
    for side in (-EYE_SIDE, EYE_SIDE):
        eye_x = side * width
        strokes.append(_ellipse(eye_x, EYE_LEVEL, EYE_HALF, opening / 2, 13))
        arch = BROW_ARCH * across.square()
        strokes.append((eye_x + BROW_HALF * across, EYE_LEVEL + brow - arch))
    lift = torch.full_like(smile, math.nan)
    x = torch.cat([part for x, _ in strokes for part in (x, lift)], dim=1)
    y = torch.cat([part for _, y in strokes for part in (y, lift)], dim=1)
    middle = torch.tensor([-0.5, 0.5], dtype=torch.float64)  # of the image, in the module's plane
    return _turn(x, y, tilt) + middle


def _ellipse(
    x: Tensor, y: float, across: Tensor | float, up: Tensor | float, points: int
) -> tuple[Tensor, Tensor]:
    """A closed ellipse by its centre and half axes: (B, 1) -> its x and its y, (B, points)."""
    angle = torch.linspace(0, 2 * math.pi, points, dtype=torch.float64)
    return x + across * angle.cos(), y + up * angle.sin() + 0 * x
