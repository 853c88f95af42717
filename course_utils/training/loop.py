"""One training loop for every model of the course, and its history.

The plain loop that it grew from stands in notebook 05. What `fit` adds: the whole data set lives
on the device as uint8, is shuffled and binarised there, and never passes through a data loader; a
fused optimiser and a one-cycle schedule; a progress bar; evaluation; interruption and resuming.
"""

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.arguments import count, described, function_of, number
from course_utils.data import ImageData
from course_utils.data import binarize as binarize_once
from course_utils.files import file_to_write
from course_utils.session import own_seed, pick_threads, torch_threads
from course_utils.training.checkpoints import (
    UNFIT,
    CheckpointError,
    check_savable,
    read_checkpoint,
    save_checkpoint,
)
from course_utils.training.inputs import (
    data_fingerprint,
    device_of,
    loss_fingerprint,
    model_fingerprint,
    rows_of_pixels,
    rows_to_score,
    wants_shares,
)
from course_utils.training.steps import (
    Loss,
    Steps,
    as_input,
    default_loss,
    generator_of,
    has_bfloat16,
    losses_of,
    one_cycle,
)

BINARIZE = ("none", "dynamic")
PRECISIONS = (None, "highest", "high", "medium", "bfloat16")
BETAS = (0.9, 0.99)  # of Adam: gradients are forgotten after some 100 steps, for runs are short
EVALUATION_CHUNK = 1_000  # rows scored at a time: their activations stay in the processor's cache


class NonFiniteLoss(RuntimeError):
    """The training loss became infinite or not a number; the model is back at the last epoch."""


@dataclass
class History:
    """What `fit` returns.

    Attributes:
        rows: one dict per finished epoch: epoch, seconds (since the start), train_loss, test_loss,
            and for models with `elbo_terms` train_elbo, train_log_lik, train_kl, test_elbo, ...
            All are means over images, in nats.
        training_state: what resuming needs besides the weights: optimiser, random state, epoch,
            and the plan.
        interrupted: True where the run stopped before its planned last epoch.
        weights: of the model at the end of the last whole epoch, to resume from.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    training_state: dict | None = field(default=None, repr=False)
    interrupted: bool = False
    weights: dict[str, Tensor] | None = field(default=None, repr=False)

    def column(self, name: str) -> list[float]:
        """One quantity over the epochs: `history.column("test_elbo")`."""
        return [row[name] for row in self.rows]


def fit(
    model: nn.Module,
    data: ImageData | tuple[Tensor, Tensor],
    epochs: int,
    batch_size: int = 200,
    learning_rate: float = 1e-2,
    binarize: str = "none",
    loss: Loss | None = None,
    resume: History | str | Path | None = None,
    checkpoint: str | Path | None = None,
    after_epoch: Callable[[nn.Module, dict], None] | None = None,
    progress: bool = True,
    precision: str | None = None,
    compiled: bool = False,
) -> History:
    """Train a model on the device that it is on, and score it after every epoch.

    Interrupting the kernel ends the run at the last whole epoch and returns what there is.

    Args:
        model: any module with `loss(x)` (see `models`).
        data: an `ImageData`, or a pair (train, test) of tensors, uint8 or float, rows of D pixels.
        epochs: passes over the training set; also the length of the learning-rate schedule.
        batch_size: rows a step.
        learning_rate: peak of the schedule, see `steps.one_cycle`.
        binarize: `"none"` trains on grey pixels; `"dynamic"` draws binary pixels anew for every
            batch, and scores on one fixed draw.
        loss: (model, x (B, D)) -> (B,), minimised on average; `model.loss(x)` by default.
        resume: a `History`, or a checkpoint's path, to continue the same plan from. On the CPU the
            result is bit for bit that of a run that was never interrupted.
        checkpoint: path to save weights and training state to after every epoch.
        after_epoch: called as `after_epoch(model, row)` when an epoch has been scored, with a
            random stream of its own: what it draws does not change the training.
        progress: show a progress bar.
        precision: of the matrix products while training, see `steps.matmul_precision`;
            `"bfloat16"` (autocast) where the device has instructions for it. Weights, sums over
            pixels, losses and scores stay float32. None: as torch is set.
        compiled: let `torch.compile` make one piece of the loss, see `steps.Steps`.
    Returns:
        A `History`.
    Raises:
        NonFiniteLoss: when the loss becomes infinite or NaN.
        CheckpointError: when `resume` is no checkpoint, or one of another model or plan.
        ValueError: for arguments out of range.
    """
    rows, loss = rows_of_pixels(data, wants_shares(model, binarize)), loss or default_loss
    how = (batch_size, learning_rate, binarize, precision, compiled)
    plan = Plan.of(model, rows, loss, epochs, *how)
    if after_epoch is not None:
        function_of("after_epoch", after_epoch, "model", "row")
    if checkpoint is not None:
        check_savable(model)
        checkpoint = file_to_write("checkpoint", checkpoint)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)  # fails now, or not at all
    run = _Run(model, plan, rows, loss)
    if resume is not None:
        run.go_back_to(resume)
    try:
        with torch_threads(run.threads), denormals_flushed(), run.progress_bar(progress) as bar:
            while len(run.rows) < plan.epochs:
                row = run.train_one_epoch(bar)
                if checkpoint is not None:
                    save_checkpoint(checkpoint, model, run.finish())
                if after_epoch is not None:
                    with own_seed(0):
                        after_epoch(model, row)
    except KeyboardInterrupt:
        history = run.finish(interrupted=True)
        done = f"The model is as it was after epoch {len(history.rows)} of {plan.epochs}"
        print(f"Interrupted. {done}; to go on, pass resume=history with the same arguments.")
        return history
    return run.finish()


def evaluate(model: nn.Module, pixels: Tensor, loss: Loss = default_loss) -> dict[str, float]:
    """Mean loss over the rows of `pixels` (N, D), and mean ELBO, log-likelihood term and KL.

    A model with `elbo_terms` minimises -ELBO unless `loss` says otherwise: one pass gives all.
    Draws from a random stream of its own, the same one each time: the curves of two epochs differ
    by what was learned, not by luck, and evaluating does not change what training draws.

    Raises:
        ValueError: for pixels or a loss that `fit` would not take either.
    """
    function_of("loss", loss, "model", "x")
    return _scores(model, rows_to_score(model, pixels), loss)


@torch.no_grad()
def _scores(model: nn.Module, pixels: Tensor, loss: Loss) -> dict[str, float]:
    """`evaluate`, of rows that have been looked at."""
    dtype = next(model.parameters(), torch.zeros(())).dtype

    def means(scores_of: Callable[[Any, Tensor], dict[str, Tensor]]) -> dict[str, float]:
        totals: dict[str, float] = {}
        with own_seed(0):
            for part in pixels.split(EVALUATION_CHUNK):
                x = as_input(part, dtype=dtype)
                for name, score in scores_of(model, x).items():
                    totals[name] = totals.get(name, 0.0) + score.cpu().double().sum().item()
        return {name: total / len(pixels) for name, total in totals.items()}

    scores = means(_elbo_scores) if hasattr(model, "elbo_terms") else {}
    if not scores or loss is not default_loss:
        scores |= means(lambda model, x: {"loss": losses_of(loss, model, x)})
    return scores


def _elbo_scores(model: Any, x: Tensor) -> dict[str, Tensor]:
    log_lik, kl = model.elbo_terms(x)
    elbo = log_lik - kl
    return {"loss": -elbo, "elbo": elbo, "log_lik": log_lik, "kl": kl}


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Numbers below float32's normal range (1e-38) count as 0 within a block.

    Many processors compute with them more slowly, and for training they are as good as 0.
    """
    before = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def flushes_denormals() -> bool:
    """Whether torch takes numbers below float32's normal range for 0 now."""
    return (torch.tensor(1e-40) * 1.0).item() == 0


# --- one run, epoch by epoch ---------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What `fit` was asked for: a run can be continued only as it was planned.

    Raises:
        ValueError: for arguments out of range.
    """

    model: str
    device: str
    data: str
    loss: str
    images: int
    epochs: int
    batch_size: int
    learning_rate: float
    binarize: str
    precision: str | None
    compiled: bool

    @classmethod
    def of(cls, model: nn.Module, rows: tuple[Tensor, Tensor], loss: Loss, *asked: Any) -> "Plan":
        """The plan for a model, its data and loss; `asked` are the fields from `epochs` on."""
        device = device_of(model)
        function_of("loss", loss, "model", "x")
        if loss is default_loss and not callable(getattr(model, "loss", None)):
            kind = type(model).__name__
            raise ValueError(f"model: expected loss(x), or a loss for fit, got {kind} without")
        plan = cls(
            model_fingerprint(model),
            device.type,
            data_fingerprint(*rows),
            loss_fingerprint(loss),
            len(rows[0]),
            *asked,
        )
        if plan.precision == "bfloat16" and not has_bfloat16(device):
            print('No bfloat16 instructions here: training goes on with precision="medium".')
            plan = replace(plan, precision="medium")
        return plan

    def __post_init__(self):
        checked = {name: count(name, getattr(self, name)) for name in ("epochs", "batch_size")}
        rate = self.learning_rate
        rate = number("learning_rate", rate, "more than 0", lambda v: 0 < v < math.inf)
        for name, value in {**checked, "learning_rate": rate}.items():
            object.__setattr__(self, name, value)  # frozen: numbers of any library become Python's
        if self.binarize not in BINARIZE:
            raise ValueError(f"binarize: expected one of {BINARIZE}, got {self.binarize!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {PRECISIONS}, got {self.precision!r}")

    @property
    def steps(self) -> int:
        """Optimiser steps in an epoch."""
        return math.ceil(self.images / self.batch_size)

    def rates(self, epoch: int) -> list[float]:
        """The learning rates of an epoch's steps; the first epoch is 1."""
        numbers = range((epoch - 1) * self.steps, epoch * self.steps)
        return [one_cycle(n, self.epochs * self.steps, self.learning_rate) for n in numbers]

    def changes(self, state: dict) -> str:
        """What a training state was planned with and this plan is not; "" if they agree."""
        before, now = state["plan"], asdict(self)
        return ", ".join(f"{k} {before[k]} (now {now[k]})" for k in now if before[k] != now[k])


class _Run:
    """A model in training: how far it is, and all that was there at the last whole epoch.

    Attributes:
        rows: of the history.
        threads: of torch while training, the same number from the first epoch to the last, also
            across resuming: another number adds in another order, and rounds otherwise.
        kept: weights, rows and training state at the end of the last whole epoch.
    """

    def __init__(self, model: nn.Module, plan: Plan, rows: tuple[Tensor, Tensor], loss: Loss):
        self.model, self.plan, self.loss = model, plan, loss
        train, test = (pixels.to(device_of(model)) for pixels in rows)
        sample = train[: len(test)]
        if plan.binarize == "dynamic":
            test, sample = binarize_once(test, seed=0), binarize_once(sample, seed=0)
        self.scored = {"train": sample, "test": test}
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=plan.learning_rate, betas=BETAS, fused=True
        )
        how = (plan.batch_size, plan.binarize, plan.precision, plan.compiled)
        self.steps = Steps(model, train, loss, self.optimizer, *how)
        self.generator = generator_of(train.device)
        self.rows: list[dict[str, float]] = []
        self.threads = pick_threads() if plan.device == "cpu" else torch.get_num_threads()
        self.kept = self.snapshot()
        self.start = time.perf_counter()

    def snapshot(self) -> dict:
        """All that a run is made of at the end of an epoch, copied."""
        state = {
            "optimizer": self.optimizer.state_dict(),
            "random": self.generator.get_rng_state(),
            "epoch": len(self.rows),
            "plan": asdict(self.plan),
            "threads": self.threads,
        }
        return copy.deepcopy(
            {"weights": self.model.state_dict(), "training_state": state, "rows": self.rows}
        )

    def go_back_to(self, point: History | str | Path) -> None:
        """Put model, optimiser and random state back to the end of an epoch of an earlier run."""
        if not isinstance(point, History | str | os.PathLike):
            came = described(point)
            raise ValueError(f"resume: expected a History or a checkpoint's path, got {came}")
        if isinstance(point, History):
            weights, state, rows = point.weights, point.training_state, point.rows
        else:
            content = read_checkpoint(point)
            weights, state, rows = (content[k] for k in ("weights", "training_state", "rows"))
        if state is None or weights is None:
            raise CheckpointError(
                "resume: expected a training state, got a finished model without one"
            )
        try:
            changes = self.plan.changes(state)
            if len(rows) != state["epoch"]:
                raise ValueError(f"expected {state['epoch']} rows, got {len(rows)}")
            if not changes:
                state = copy.deepcopy(state)
                self.model.load_state_dict(weights)
                self.optimizer.load_state_dict(state["optimizer"])
                self.generator.set_rng_state(state["random"])
                self.rows, self.threads = list(rows), state["threads"]
        except UNFIT as error:
            why = " ".join(str(error).split())[:200]
            raise CheckpointError(f"resume: the training state does not fit: {why}") from error
        if changes:
            raise CheckpointError(f"resume: the run to continue was planned with {changes}")
        self.kept = self.snapshot()
        self.start = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)

    def progress_bar(self, shown: bool) -> tqdm:
        total, done = self.plan.epochs * self.plan.steps, len(self.rows) * self.plan.steps
        return tqdm(total=total, initial=done, desc="training", unit="step", disable=not shown)

    def train_one_epoch(self, bar: tqdm) -> dict[str, float]:
        """Train, score and keep the next epoch; returns its row.

        Raises:
            NonFiniteLoss: and the model is back at the last whole epoch.
        """
        epoch = len(self.rows) + 1
        self.stop_unless_finite(self.steps.epoch(self.plan.rates(epoch), bar))
        row = {"epoch": epoch, "seconds": 0.0}
        for name, pixels in self.scored.items():
            scores = _scores(self.model, pixels, self.loss)
            row |= {f"{name}_{k}": value for k, value in scores.items()}
        row["seconds"] = time.perf_counter() - self.start
        self.stop_unless_finite(row["train_loss"] + row["test_loss"])
        self.rows = [*self.rows, row]
        self.kept = self.snapshot()
        bar.set_postfix_str(f"epoch {epoch}, test loss {row['test_loss']:.2f}")
        return row

    def stop_unless_finite(self, value: float) -> None:
        if not math.isfinite(value):
            done = len(self.finish(interrupted=True).rows)
            raise NonFiniteLoss(
                f"the loss became {value} in epoch {done + 1} of {self.plan.epochs} "
                f"(learning_rate={self.plan.learning_rate:g}); the model is back at the end of "
                f"epoch {done}. Try a smaller learning rate."
            )

    def finish(self, interrupted: bool | None = None) -> History:
        """The model as it was at the last whole epoch, and the history up to there."""
        self.model.load_state_dict(self.kept["weights"])
        self.model.eval()
        rows, state = self.kept["rows"], self.kept["training_state"]
        early = len(rows) < self.plan.epochs if interrupted is None else interrupted
        return History(rows, state, early, self.kept["weights"])
