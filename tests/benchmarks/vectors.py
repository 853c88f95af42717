"""Attribute vectors of notebook 06, measured: smile on drawn faces, slant and thickness on MNIST.

    python tests/benchmarks/vectors.py [--minutes 7.5] [--quick]

**Smile**: mean code of the faces that smile minus that of the others, in a VAE with ten latents,
added to 1,000 test faces from -1 to 1 in four steps. A network that reads factors off a face says
what has moved, in spreads (standard deviations of the drawn factor): the smile rises if it does so
at each step by more than twice the reader's error; the other factors should keep still. VAE and
reader are trained anew for each seed. **Slant and thickness**: the quarter of the training digits
with most of it minus the quarter with least, half of that either way in four steps, on the first
1,000 test digits and the model that travels with the package: nothing here is left to chance. The
class is that of the five nearest among 10,000 training digits, as on the page, whose definitions
these are.
"""

import sys
from pathlib import Path

import torch
from record import Pieces, digits_for, options, print_table, save_result
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.shown import shown

from course_utils.data import ImageData, as_float, load_faces
from course_utils.models import VAE, mlp
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit, load_checkpoint

SEEDS, STEPS, JUDGED, NEIGHBOURS = (0, 1, 2), 5, 1_000, 10_000
READER = {"epochs": 20, "learning_rate": 3e-3}
FACES = {"epochs": 20, "batch_size": 100, "learning_rate": 5e-3}
MODEL, REACH = "mnist-vae-20", 0.5


def in_spreads(faces: ImageData) -> tuple[Tensor, Tensor]:
    """The factors of training and test faces, (N, 6) each, as the training faces spread."""
    f, f_test = (
        torch.stack(list(known.values()), dim=1)
        for known in (faces.train_factors, faces.test_factors)
    )
    return (f - f.mean(0)) / f.std(0), (f_test - f.mean(0)) / f.std(0)


def smile(seed: int, faces: ImageData, device: torch.device) -> dict:
    """What the smile vector of one trained VAE moves, as one trained reader sees it."""
    squared_error = shown(6, "squared_error").squared_error
    x, x_test = (as_float(i).to(device) for i in (faces.train_images, faces.test_images))
    f, f_test = (factors.to(device) for factors in in_spreads(faces))
    seed_everything(seed)
    reader = mlp(784, 300, f.shape[1]).to(device)
    rows = torch.cat([x, f], dim=1), torch.cat([x_test, f_test], dim=1)
    fit(reader, rows, loss=squared_error, progress=False, **READER)
    vae = VAE(latent_dim=10, likelihood="gaussian").to(device)
    fit(vae, faces, progress=False, **FACES)
    x_test, f_test = x_test[:JUDGED], f_test[:JUDGED]
    smiles = faces.train_labels.to(device) == 1
    with torch.no_grad():
        mu = vae.encode(x)[0]
        v = mu[smiles].mean(0) - mu[~smiles].mean(0)
        alpha = torch.linspace(-1, 1, STEPS, device=device)[:, None, None]
        read = reader(vae.decode_mean(vae.encode(x_test)[0] + alpha * v))  # (5, 1000, 6)
    middle = read[STEPS // 2]
    error = (middle - f_test).square().mean(0).sqrt()
    rising = (read[..., 0].diff(dim=0) > 2 * error[0]).all(0).float().mean()
    moved = (read - middle).abs().amax(0).mean(0).tolist()
    return {
        "seed": seed,
        "percent_rising": 100 * rising.item(),
        "smile_moves": moved[0],
        "others_move_at_most": max(moved[1:]),
        "moves": dict(zip(faces.test_factors, moved)),
    }


@torch.no_grad()
def digits_vectors(digits: ImageData) -> list[dict]:
    """What half the vector either way does to slant and thickness, and to the class."""
    x_train, x = as_float(digits.train_images[:NEIGHBOURS]), as_float(digits.test_images[:JUDGED])
    names = ("slant", "thickness", "attribute_vector", "nearest_class")
    page = shown(6, *names, pixel=torch.arange(28.0), x_train=x_train, digits=digits)
    vae = load_checkpoint(MODEL)
    codes, alpha = vae.encode(x_train)[0], torch.linspace(-REACH, REACH, STEPS)[:, None, None]
    rows = []
    for measure in (page.slant, page.thickness):
        v = page.attribute_vector(codes, measure(x_train))
        moved = vae.decode_mean(vae.encode(x)[0] + alpha * v)  # (5, 1000, D)
        rising = (measure(moved).diff(dim=0) > 0).all(0).float().mean()
        classes = page.nearest_class(moved)
        kept = (classes == classes[STEPS // 2]).all(0).float().mean()
        rows.append(
            {
                "attribute": measure.__name__,
                "percent_rising": 100 * rising.item(),
                "percent_class_kept": 100 * kept.item(),
            }
        )
    return rows


def main() -> None:
    given = options(__doc__)
    device, digits, faces = pick_device(), digits_for(given), load_faces()
    if given.quick:
        READER["epochs"] = FACES["epochs"] = 1
    seeds = SEEDS[:1] if given.quick else SEEDS
    pieces = Pieces("vectors", [READER, FACES, STEPS, JUDGED], given)
    smiles = [pieces.get(f"smile {s}", lambda s=s: smile(s, faces, device)) for s in seeds]
    others = pieces.get("digits", lambda: digits_vectors(digits))
    if not pieces.finished():
        return
    print_table([{k: v for k, v in row.items() if k != "moves"} for row in smiles])
    print_table(others)
    if given.quick:
        return
    save_result(
        "vectors",
        what="percent of 1,000 test images; moves in spreads of the drawn factor, on average",
        judged=JUDGED,
        steps=STEPS - 1,
        smile={"plan": {"reader": READER, "vae": FACES}, "seeds": SEEDS, "rows": smiles},
        digits={"model": MODEL, "reach": REACH, "neighbours": NEIGHBOURS, "rows": others},
    )
    pieces.clear()


if __name__ == "__main__":
    main()
