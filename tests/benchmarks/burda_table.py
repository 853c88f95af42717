"""The table of Burda et al. (2016): VAE and IWAE, one and two layers of latents.

    python tests/benchmarks/burda_table.py [--rows 4 | --only 3] [--minutes 7.5] [--quick]

Their networks (one layer: 784-200-200-50; two: 784-200-200-100-100-100-50; tanh, mirrored), their
stochastic binarisation (pixels drawn anew for every batch, test digits once with seed 0), their
estimate (5,000 importance samples of each of the 10,000 test digits) and their count of active
units. Not theirs is the training, `RECIPE`: an eighth of their 3,280 passes. What each item of it
brings is measured by leaving it out of a shorter run (`WITHOUT`), judged on the last 10,000
training digits, which do not train then; batch, rates and optimiser were chosen by them, too.

Muon's steps all have one size, so its rate must be smaller the longer a run is. Tried with one
layer and K = 1, 60 passes over 50,000 digits, the bound of 50 draws on 5,000 others: rate 0.02
-89.9, rate 0.01 -90.9, rate 0.05 with a weight decay of 0.1 -93.2; Adam alone, 4e-3 and batches
of 100, -91.9 (194 seconds in place of 304). At 0.05 a run of 1,300 passes ended at -106.4 on the
test digits, and no better on those that it was trained on: its weights had grown until the tanh
units stood at their ends.

A short run is a poor judge of a long one: in 20 passes the recipe is worse than Adam alone, or
than a rate that does not fall, by 1.2 and 1.3 nats. One draw in place of all saves nothing with
K = 5.

Rows are trained in the order of `ROWS`, the first `--rows` of them, in pieces that are kept; each
finished row is put into the record at once, beside those of earlier runs with the same plan.
`--only` takes one row, so that two processes, or two days, can share the work. Seconds are of the
processor, one core, so that other work beside it does not count; those of a row that goes on from
another contain that one's.
"""

import datetime
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from four_parts import active_units, mean_and_error
from muon import Muon
from record import Pieces, digits_for, machine, options, print_table, save_result, short_hash
from torch import Tensor, nn

from course_utils.data import ImageData, binarize, load_result, scaled
from course_utils.models import VAE, DeepVAE, TwoLayerVAE
from course_utils.models.layers import mlp
from course_utils.objectives import iwae_bound, log_likelihood, log_weights, resampled_bound
from course_utils.session import pick_device, seed_everything
from course_utils.training import CHECKPOINTS, save_checkpoint
from course_utils.training.loop import denormals_flushed
from course_utils.training.steps import one_cycle

NAME = "burda_table"
SOURCE, THEIRS = "Burda, Grosse and Salakhutdinov (2016), table 1", sum(3**i for i in range(8))
BLOCK = 250  # test digits of one piece


@dataclass(frozen=True)
class Row:
    """A row of the table: what is trained, what they found, and our passes over the data."""

    name: str
    layers: int
    bound: str  # "VAE" averages log weights over the draws, "IWAE" takes the log of their average
    k: int
    published: float
    published_active: str  # latents that vary with the image, of each layer of theirs
    epochs: int
    after: "Row | None" = None  # the row whose finished network it goes on from
    travels_as: str = ""  # its network goes with the package, in half precision

    def shortened(self, epochs: int) -> "Row":
        """The same, and the row that it goes on from, with so many passes."""
        after = self.after and self.after.shortened(epochs)
        return replace(self, epochs=epochs, after=after, travels_as="")


FIVE_DRAWS = Row("one layer, IWAE, K = 5", 1, "IWAE", 5, 85.54, "22", 300)
FIVE_DRAWS_TWICE = Row("two layers, IWAE, K = 5", 2, "IWAE", 5, 83.89, "21 + 5", 300)
ROWS = [
    Row("one layer, VAE, K = 1", 1, "VAE", 1, 86.76, "19", 400, travels_as="mnist-burda-1"),
    FIVE_DRAWS,
    Row(
        "one layer, IWAE, K = 50",
        *(1, "IWAE", 50, 84.78, "25", 80),
        after=FIVE_DRAWS,
        travels_as="mnist-burda-50",
    ),
    FIVE_DRAWS_TWICE,
    Row("two layers, IWAE, K = 50", 2, "IWAE", 50, 82.90, "26 + 7", 80, after=FIVE_DRAWS_TWICE),
    Row("two layers, VAE, K = 1", 2, "VAE", 1, 85.33, "16 + 5", 400),
]


@dataclass(frozen=True)
class Recipe:
    """How all rows are trained, as a list that reads from top to bottom."""

    batch: int = 500
    matrices: str = "Muon"  # and Adam for the biases; or "Adam" for all
    matrix_rate: float = 0.01  # Muon's, at its peak
    rate: float = 4e-3  # Adam's, at its peak
    falls: bool = True  # up to the peak in a fifth of the steps, then down to 0; or constant
    start_at_mean: bool = True  # the output's bias decodes every code to the mean image
    one_draw: bool = True  # for K above 1: a gradient through one draw of the K, by its weight
    going_on: float = 0.5  # of both peaks, for a row that goes on from another one's network


RECIPE = Recipe()
WITHOUT = {  # an item left out, and the row that shows what it brings
    "Muon: Adam for all, batches of 100": (replace(RECIPE, matrices="Adam", batch=100), 0),
    "a learning rate that falls": (replace(RECIPE, falls=False), 0),
    "the output's bias from the mean image": (replace(RECIPE, start_at_mean=False), 0),
    "a gradient through one draw: through all": (replace(RECIPE, one_draw=False), 1),
}
PLAN = {
    "recipe": asdict(RECIPE),
    "epochs": {row.name: row.epochs for row in ROWS},
    "samples": 5_000,
    "digits": 10_000,
    "short_epochs": [20, 10],  # of the runs with something left out: K = 1, K = 5
    "held_out": 10_000,
    "compared_digits": [100, 200],  # for the estimator: by plain loops; by number of samples
    "sample_sizes": [500, 5_000, 50_000],
}
QUICK = {"samples": 20, "digits": 20, "short_epochs": [1, 1], "held_out": 200}
QUICK |= {"compared_digits": [3, 4], "sample_sizes": [10, 20, 40]}


# --- networks and losses -------------------------------------------------------------------------


class TwoLayers(TwoLayerVAE):
    """Their network with two layers of latents, 100 and 50 units: two hidden layers everywhere."""

    def __init__(self):
        super().__init__(100, 50, 200)

        def two(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
            return mlp(n_in, hidden, hidden, n_out, activation=nn.Tanh)

        self.encoder, self.upper_encoder = two(784, 200, 200), two(100, 100, 100)
        self.prior, self.decoder = two(50, 100, 200), two(100, 200, 784)


def network(layers: int) -> VAE:
    """Theirs, untrained."""
    return DeepVAE(50, 200, 2, 2, activation="tanh") if layers == 1 else TwoLayers()


def loss_of(row: Row, recipe: Recipe, model: VAE, x: Tensor) -> Tensor:
    """What a row minimises, (B,)."""
    if row.bound == "VAE":
        return model.loss(x) if row.k == 1 else -log_weights(model, x, row.k).mean(0)
    bound = resampled_bound if recipe.one_draw else iwae_bound
    return -bound(model, x, row.k)


# --- training ------------------------------------------------------------------------------------


class Training:
    """A network in training, which can be kept after any epoch and goes on bit for bit."""

    def __init__(
        self, row: Row, recipe: Recipe, images: Tensor, seed: int, start: "Training | None" = None
    ):
        seed_everything(seed)
        self.row, self.recipe, self.done = row, recipe, 0
        self.images, self.seconds = images.flatten(1), start.seconds if start else 0.0
        self.model = network(row.layers).to(images.device)
        if start:
            self.model.load_state_dict(start.model.state_dict())
        elif recipe.start_at_mean:
            self.model.start_at_mean(images)
        self.share = recipe.going_on if start else 1.0
        weights = list(self.model.parameters())
        matrices = [w for w in weights if w.dim() == 2 and recipe.matrices == "Muon"]
        rest = [w for w in weights if not any(w is m for m in matrices)]
        self.optimizers = [(torch.optim.Adam(rest, betas=(0.9, 0.99), fused=True), recipe.rate)]
        self.optimizers += [(Muon(matrices), recipe.matrix_rate)] if matrices else []

    def batches(self) -> Iterator[Tensor]:
        """The images of an epoch, binarised anew."""
        order = torch.randperm(len(self.images), device=self.images.device)
        for rows in order.split(self.recipe.batch):
            x = scaled(self.images[rows])
            yield (torch.rand_like(x) < x).to(x.dtype)

    def epoch(self) -> None:
        start = time.process_time()
        per_epoch = math.ceil(len(self.images) / self.recipe.batch)
        steps = self.row.epochs * per_epoch
        with denormals_flushed():
            for i, x in enumerate(self.batches(), self.done * per_epoch):
                share = one_cycle(i, steps, self.share)
                if not self.recipe.falls and i > 0.2 * steps:
                    share = self.share
                loss = loss_of(self.row, self.recipe, self.model, x).mean()
                self.model.zero_grad()
                loss.backward()
                for optimizer, peak in self.optimizers:
                    optimizer.param_groups[0]["lr"] = share * peak
                    optimizer.step()
        if not math.isfinite(loss.item()):
            raise RuntimeError(f"{self.row.name}: the loss is {loss.item()}")
        self.done, self.seconds = self.done + 1, self.seconds + time.process_time() - start

    def keep(self, path: Path) -> None:
        state = {"weights": self.model.state_dict(), "random": torch.get_rng_state()}
        state |= {"optimizers": [o.state_dict() for o, _ in self.optimizers]}
        torch.save(state | {"done": self.done, "seconds": self.seconds}, path)

    def go_on_from(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["weights"])
        for (optimizer, _), kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        torch.set_rng_state(state["random"])
        self.done, self.seconds = state["done"], state["seconds"]


def trained(
    row: Row, recipe: Recipe, images: Tensor, seed: int, pieces: Pieces
) -> Training | None:
    """A finished training; None where time ran out: the next call goes on."""
    start = row.after and trained(row.after, recipe, images, seed, pieces)
    if row.after and start is None:
        return None
    training = Training(row, recipe, images.to(pick_device()), seed, start)
    path = pieces.folder / f"{short_hash(f'{row} {recipe} {len(images)} {seed}')}.pt"
    if path.exists():
        training.go_on_from(path)
    while training.done < row.epochs:
        training.epoch()
        if pieces.out_of_time() or training.done in (row.epochs, *range(0, row.epochs, 10)):
            training.keep(path)
        if pieces.out_of_time() and training.done < row.epochs:
            return None
    training.model.requires_grad_(False)
    return training


# --- scoring -------------------------------------------------------------------------------------


def by_plain_loops(model: VAE, x: Tensor, samples: int) -> float:
    """-log p(x) of one digit (D,), for one layer, a draw at a time: another estimate."""
    mu, log_var = model.encode(x)
    total = -math.inf
    for _ in range(samples):
        z = torch.normal(mu, torch.exp(0.5 * log_var))
        q = torch.distributions.Normal(mu, torch.exp(0.5 * log_var)).log_prob(z).sum()
        p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
        pixels = torch.distributions.Bernoulli(logits=model.decode(z)).log_prob(x).sum()
        total = float(torch.logaddexp(torch.tensor(total).double(), pixels + p - q))
    return math.log(samples) - total


def scored(model: VAE, row: Row, x: Tensor, plan: dict, pieces: Pieces) -> list[float] | None:
    """log p(x) of each digit; None where time ran out."""
    found = []
    for first in range(0, len(x), BLOCK):

        def score(first=first):
            seed_everything(first)
            block = x[first : first + BLOCK]
            return log_likelihood(model, block, plan["samples"], progress=False).tolist()

        block = pieces.get(f"{row.name}, digits from {first}", score)
        if block is None:
            return None
        found += block
    return found


def measure(row: Row, digits: ImageData, plan: dict, pieces: Pieces) -> dict | None:
    """One row of the table; None where time ran out."""
    training = trained(row, RECIPE, digits.train_images, 0, pieces)
    if training is None:
        return None
    x = binarize(digits.test_images[: plan["digits"]], seed=0).to(pick_device())
    log_p = scored(training.model, row, x, plan, pieces)
    if log_p is None:
        return None
    nll, error = mean_and_error(-torch.tensor(log_p, dtype=torch.float64))
    seed_everything(0)
    found = {"row": row.name, "published_nll": row.published, "nll": nll, "standard_error": error}
    epochs = f"{row.after.epochs} + {row.epochs}" if row.after else str(row.epochs)
    found |= {"active_units": active_units(training.model, x), "epochs": epochs}
    if row.travels_as:
        save_checkpoint(CHECKPOINTS / f"{row.travels_as}.pt", training.model, half=True)
    found |= {"digits": len(x), "training_cpu_seconds": round(training.seconds)}
    where = {"processor": machine()["processor"], "date": datetime.date.today().isoformat()}
    return found | {"published_active": row.published_active} | where


def estimator(row: Row, digits: ImageData, plan: dict, pieces: Pieces) -> dict | None:
    """The estimate beside plain loops in float64, and beside other numbers of samples."""
    training = trained(row, RECIPE, digits.train_images, 0, pieces)
    if training is None:
        return None
    few, more = plan["compared_digits"]
    x = binarize(digits.test_images[:more], seed=0).to(pick_device())
    seed_everything(1)
    samples = plan["sample_sizes"][0]
    here = log_likelihood(training.model, x[:few], samples, progress=False).double().cpu()
    by_size = {
        str(n): mean_and_error(-log_likelihood(training.model, x, n, progress=False).double())
        for n in plan["sample_sizes"]
    }
    model = training.model.double()
    there = torch.tensor([-by_plain_loops(model, row, samples) for row in x[:few].double()])
    difference = mean_and_error(here - there)
    return {"digits": [few, more], "samples": samples, "minus_loops": difference} | {
        "nll_by_samples": by_size
    }


def left_out(digits: ImageData, plan: dict, pieces: Pieces) -> list[dict]:
    """Short runs of the recipe, and of it without one item each, on held-out training digits."""
    images, judging = digits.train_images.tensor_split([-plan["held_out"]])
    x, found = binarize(judging, seed=0).to(pick_device()), []
    tried = {"nothing": (RECIPE, 0), "nothing, K = 5": (RECIPE, 1), **WITHOUT}
    for name, (recipe, which) in tried.items():
        short = ROWS[which].shortened(plan["short_epochs"][which])

        def run(recipe=recipe, row=short):
            training = trained(row, recipe, images, 10, pieces)
            if training is None:
                return None
            seed_everything(0)
            bound = torch.cat([iwae_bound(training.model, part, 50) for part in x.split(250)])
            seconds = round(training.seconds)
            return {"row": row.name, "epochs": row.epochs, "cpu_seconds": seconds} | {
                "nll": -bound.mean().item()
            }

        part = pieces.get(f"without {name}", run)
        found += [{"left_out": name, **part}] if part else []
    return found


# --- all of it -----------------------------------------------------------------------------------


def save(new: dict, more: dict, plan: dict) -> list[dict]:
    """Put finished rows, by name, and other parts into the record. Its rows, in their order.

    What earlier runs recorded by the same plan stays, with processor and date: they take hours.
    """
    try:
        before = load_result(NAME)
    except FileNotFoundError:
        before = {}
    if before.get("plan") != plan:
        before = {}
    if before:
        where = {"processor": before["machine"]["processor"], "date": before["date"]}
        new = {row["row"]: where | row for row in before["rows"]} | new
    rows = [new[row.name] for row in ROWS if row.name in new]
    parts = {part: before[part] for part in ("estimator", "left_out") if part in before} | more
    what = "negative log-likelihood in nats, stochastic binarisation, lower is better"
    published = {"source": SOURCE, "epochs": THEIRS}
    save_result(NAME, what=what, published=published, plan=plan, seed=0, rows=rows, **parts)
    return rows


def main() -> None:
    given = options(__doc__, rows=len(ROWS), only=0)
    digits = digits_for(given)
    plan = PLAN | (QUICK if given.quick else {})
    table = [row.shortened(1) for row in ROWS] if given.quick else ROWS
    pieces, rows, more = Pieces(NAME, plan, given), {}, {}
    for row in [table[given.only - 1]] if given.only else table[: given.rows]:
        found = pieces.get(row.name, lambda row=row: measure(row, digits, plan, pieces))
        if found:
            rows[row.name] = found
            if not given.quick:
                save({row.name: found}, {}, plan)
    if not given.only:
        found = pieces.get("estimator", lambda: estimator(table[0], digits, plan, pieces))
        more = {"estimator": found} if found else {}
        if short := left_out(digits, plan, pieces):
            more["left_out"] = short
            print_table(short)
        if more and not given.quick:
            save({}, more, plan)
    if rows:
        print_table(list(rows.values()))
    pieces.finished()


if __name__ == "__main__":
    main()
