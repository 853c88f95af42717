"""Test errors with few labels: M1, M2 and M1+M2 of Kingma et al. (2014), over draws of the labels.

    python tests/benchmarks/few_labels.py [--minutes 7.5] [--quick]

Each draw takes as many labelled digits of each class, from all 60,000 training digits; the other
digits have no labels. M1 is one VAE, 784-600-600-50, trained without labels, shared by all rows.
Its classifier is a support vector machine on the mean codes, whose two numbers are chosen for each
draw by five-fold cross-validation on its labelled digits. M1+M2 is M2 on draws of these codes. M2
alone works on the pixels.

What M2 needs (the weight of the classifier term, the number of latents) was chosen once for 100
labels, with a draw of its own: a fifth of these labels judges, and among equals the bound does.
The test digits choose nothing; they are read once, by the finished models.

The runs go on where they were stopped, epoch by epoch, and each row of the table is kept when it
is finished, those with 100 labels first. About eight hours of two CPU cores.
"""

import itertools
import math
import time
from pathlib import Path

import torch
from record import OutOfTime, Pieces, digits_for, options, print_table, save_result
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC
from torch import Tensor

from course_utils.data import ImageData, as_float
from course_utils.models import M2, DeepVAE, train_m2
from course_utils.session import pick_threads, seed_everything
from course_utils.training import History, fit

PUBLISHED = {  # percent at 100, 600, 1000 and 3000 labels; Kingma et al. (2014), table 1
    "M1": [11.82, 5.72, 4.24, 3.49],  # with a transductive support vector machine
    "M2": [11.97, 4.94, 3.60, 3.92],
    "M1+M2": [3.33, 2.59, 2.40, 2.18],
}
DRAWS = {100: 5, 600: 3, 1000: 3, 3000: 3}
CHOICE_SEED = 100  # of the draw that chooses
KINDS = ("M1", "M1+M2", "M2")
CANDIDATES = {  # of the two kinds of M2: weight of the classifier term, latents
    "M2": list(itertools.product((0.1, 1.0), (10, 50))),
    "M1+M2": list(itertools.product((0.1, 1.0, 10.0), (5, 10, 50))),
}
PLAN = {
    "m1": {"latent_dim": 50, "hidden_dim": 600, "epochs": 60, "batch_size": 100, "rate": 3e-3},
    "M2": {"hidden_dim": 500, "epochs": 40, "choice_epochs": 3, "batch_size": 100, "rate": 1e-3},
    "M1+M2": {"hidden_dim": 500, "epochs": 50, "choice_epochs": 8, "batch_size": 100},
    "svm": {"C": [1, 10, 100], "gamma": [0.003, 0.01, 0.03, 0.1]},
    "candidates": CANDIDATES,
    "draws": DRAWS,
}
PLAN["M1+M2"]["rate"] = 1e-3
QUICK = {
    "m1": {"latent_dim": 5, "hidden_dim": 20, "epochs": 2, "batch_size": 100, "rate": 3e-3},
    "M2": {"hidden_dim": 10, "epochs": 1, "choice_epochs": 1, "batch_size": 200, "rate": 1e-3},
    "M1+M2": {"hidden_dim": 10, "epochs": 2, "choice_epochs": 1, "batch_size": 200, "rate": 1e-3},
    "candidates": {kind: pairs[:2] for kind, pairs in CANDIDATES.items()},
    "draws": {100: 2, 600: 1},
}


# --- labels --------------------------------------------------------------------------------------


def draw_labelled(labels: Tensor, number: int, seed: int) -> Tensor:
    """Row numbers (number,) of as many digits of each of the ten classes."""
    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    each = number // 10
    return torch.cat([mixed[labels[mixed] == c][:each] for c in range(10)])


def split(few: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """A draw as (to train, to judge): of each class a fifth judges."""
    judges = torch.arange(len(few)) % (number // 10) < number // 50
    return few[~judges], few[judges]


# --- models --------------------------------------------------------------------------------------


def trained_m1(digits: ImageData, plan: dict, pieces: Pieces) -> DeepVAE | None:
    """M1's VAE, trained without labels; None where time ran out."""
    sizes, path = plan["m1"], pieces.folder / "m1.pt"

    def stop_in_time(model: DeepVAE, scores: dict) -> None:
        if pieces.out_of_time() and scores["epoch"] < sizes["epochs"]:
            raise OutOfTime

    seed_everything(0)
    model = DeepVAE(sizes["latent_dim"], sizes["hidden_dim"], 2, 2)
    model.start_at_mean(digits.train_images)
    resume = None
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["weights"])
        resume = History(saved["rows"], saved["training_state"], weights=saved["weights"])
    history = fit(
        model,
        (digits.train_images, digits.train_images[:500]),
        sizes["epochs"],
        sizes["batch_size"],
        sizes["rate"],
        binarize="dynamic",
        resume=resume,
        after_epoch=stop_in_time,
        progress=False,
    )
    saved = {"weights": model.state_dict(), "rows": history.rows}
    torch.save(saved | {"training_state": history.training_state}, path)
    return None if history.interrupted else model.requires_grad_(False)


@torch.no_grad()
def codes_of(model: DeepVAE, images: Tensor) -> Tensor:
    """Means and log variances of q(z|x): (N, 2, M)."""
    parts = (torch.stack(model.encode(as_float(part)), 1) for part in images.split(2_000))
    return torch.cat(list(parts))


def draw_code(codes: Tensor) -> Tensor:
    """One draw of q(z|x) for each row (B, 2, M)."""
    mu, log_var = codes.unbind(1)
    return mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)


def trained_m2(
    kind: str,
    rows: Tensor,
    labelled: Tensor,
    y: Tensor,
    choice: tuple[float, int],
    epochs: int,
    seed: int,
    plan: dict,
    path: Path,
    pieces: Pieces,
) -> tuple[M2, float] | None:
    """M2 on pixels (N, 784) or on codes (N, 2, M), and its seconds; None where time ran out.

    After every epoch it is kept in `path`, and goes on from there in the next run.
    """
    (alpha, latent_dim), sizes = choice, plan[kind]
    likelihood, draw = ("bernoulli", torch.bernoulli) if kind == "M2" else ("gaussian", draw_code)
    seed_everything(seed)
    model = M2(latent_dim, sizes["hidden_dim"], likelihood, rows.shape[-1])
    state, spent, start = {}, 0.0, time.perf_counter()
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["weights"])
        state, spent = saved["state"], saved["seconds"]

    def keep(model: M2, epoch: int) -> None:
        seconds = spent + time.perf_counter() - start
        torch.save({"weights": model.state_dict(), "state": state, "seconds": seconds}, path)
        if pieces.out_of_time() and epoch < epochs:
            raise OutOfTime

    how = {"batch_size": sizes["batch_size"], "learning_rate": sizes["rate"], "alpha": alpha}
    how |= {"draw": draw, "after_epoch": keep, "state": state}
    others = torch.ones(len(rows), dtype=torch.bool)
    others[labelled] = False
    try:
        train_m2(model, rows[labelled], y, rows[others], epochs, **how)
    except OutOfTime:
        return None
    return model.requires_grad_(False), spent + time.perf_counter() - start


def inputs_of(rows: Tensor) -> Tensor:
    """What the finished classifier reads: grey pixels, or the mean code."""
    return rows[:, 0] if rows.dim() == 3 else rows


@torch.no_grad()
def error_of(model: M2, rows: Tensor, y: Tensor) -> float:
    """The share that q(y|x) misreads."""
    guesses = [model.log_q_label(part).argmax(1) for part in inputs_of(rows).split(2_000)]
    return (torch.cat(guesses) != y).double().mean().item()


# --- the parts of the table ----------------------------------------------------------------------


def candidate(kind: str, choice: tuple, rows: Tensor, labels: Tensor, plan: dict, pieces: Pieces):
    """What one candidate is chosen by: its error on the judging labels, and its bound there."""
    train, judge = split(draw_labelled(labels, 100, CHOICE_SEED), 100)
    path, epochs = pieces.folder / f"choice {kind} {choice}.pt", plan[kind]["choice_epochs"]
    how = (choice, epochs, 0, plan, path, pieces)
    found = trained_m2(kind, rows, train, labels[train], *how)
    if found is None:
        return None
    seed_everything(0)
    with torch.no_grad():
        some = rows[:1_000]
        inputs = draw_code(some) if some.dim() == 3 else torch.bernoulli(some)
        bound = found[0].unlabelled_bound(inputs).mean().item()
    return {"error": error_of(found[0], rows[judge], labels[judge]), "bound": bound}


def best_candidate(tried: dict[tuple, dict]) -> tuple:
    """The one with the lowest error on the judging labels; among equals the highest bound."""
    return min(tried, key=lambda choice: (tried[choice]["error"], -tried[choice]["bound"]))


def svm_row(codes: Tensor, y: Tensor, few: Tensor, test: Tensor, y_test: Tensor, plan: dict):
    """M1's classifier: error on the test digits, and what cross-validation chose."""
    start = time.perf_counter()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    search = GridSearchCV(SVC(), plan["svm"], cv=folds).fit(codes[few, 0], y[few])
    wrong = search.predict(test[:, 0]) != y_test.numpy()
    seconds = time.perf_counter() - start
    return {"error": float(wrong.mean()), "chosen": search.best_params_, "seconds": seconds}


def m2_row(
    kind: str,
    rows: tuple[Tensor, Tensor],
    labels: tuple[Tensor, Tensor],
    number: int,
    draw: int,
    choice: tuple,
    plan: dict,
    pieces: Pieces,
) -> dict | None:
    """One finished run of M2 or M1+M2; None where time ran out."""
    few = draw_labelled(labels[0], number, draw)
    path, epochs = pieces.folder / f"{kind} {number} {draw}.pt", plan[kind]["epochs"]
    how = (choice, epochs, draw, plan, path, pieces)
    found = trained_m2(kind, rows[0], few, labels[0][few], *how)
    if found is None:
        return None
    path.unlink()
    return {"error": error_of(found[0], rows[1], labels[1]), "seconds": found[1]}


def summary(kind: str, number: int, runs: list[dict]) -> dict:
    """A row of the table: mean error in percent over the draws, with its standard error."""
    errors = torch.tensor([100 * run["error"] for run in runs], dtype=torch.float64)
    published = PUBLISHED[kind][list(DRAWS).index(number)]
    error = errors.std().item() / math.sqrt(len(errors)) if len(errors) > 1 else None
    row = {"model": kind, "labels": number, "error": errors.mean().item(), "standard_error": error}
    return row | {"published": published, "runs": runs}


def chosen_for(kind: str, rows: Tensor, labels: Tensor, plan: dict, pieces: Pieces):
    """What this kind of M2 takes, and how each candidate did; None where time ran out."""
    tried = {
        choice: pieces.get(
            f"choice, {kind}, {choice}",
            lambda c=choice: candidate(kind, c, rows, labels, plan, pieces),
        )
        for choice in map(tuple, plan["candidates"][kind])
    }
    if None in tried.values():
        return None
    return best_candidate(tried), [[*choice, result] for choice, result in tried.items()]


def main() -> None:
    given = options(__doc__)
    digits = digits_for(given)
    plan = PLAN | (QUICK if given.quick else {})
    torch.set_num_threads(pick_threads())
    pieces = Pieces("few_labels", plan, given)
    m1 = trained_m1(digits, plan, pieces)
    if m1 is None:
        print("M1 is not finished: run the same command again to go on.")
        return
    y, y_test = labels = digits.train_labels, digits.test_labels
    codes = codes_of(m1, digits.train_images), codes_of(m1, digits.test_images)
    pixels = as_float(digits.train_images), as_float(digits.test_images)
    inputs, choices, rows = {"M2": pixels, "M1+M2": codes}, {}, []

    def run(kind: str, number: int, draw: int) -> dict | None:
        if kind == "M1":
            few = draw_labelled(y, number, draw)
            return svm_row(codes[0], y, few, codes[1], y_test, plan)
        choice = choices[kind]["chosen"]
        return m2_row(kind, inputs[kind], labels, number, draw, choice, plan, pieces)

    def piece(kind: str, number: int, draw: int) -> dict | None:
        return pieces.get(f"{kind}, {number} labels, draw {draw}", lambda: run(kind, number, draw))

    for number, kind in itertools.product(plan["draws"], KINDS):
        if kind in inputs and kind not in choices:
            found = chosen_for(kind, inputs[kind][0], y, plan, pieces)
            if found is None:
                continue
            choices[kind] = {"chosen": found[0], "tried": found[1]}
        runs = [piece(kind, number, draw) for draw in range(plan["draws"][number])]
        if None in runs:
            continue
        rows.append(summary(kind, number, runs))
        if not given.quick:
            save_result(
                "few_labels",
                what="percent of the 10,000 test digits misread: mean over label draws, its error",
                plan=plan,
                choices=choices,
                published={"source": "Kingma et al. (2014), table 1; M1 with a transductive SVM"},
                rows=rows,
            )
    if rows:
        print_table([{k: v for k, v in row.items() if k != "runs"} for row in rows])
    pieces.finished()


if __name__ == "__main__":
    main()
