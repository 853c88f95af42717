"""One training loop for every model of the course, its history, and checkpoints.

The plain loop that it grew from stands in notebook 05. What `fit` adds: the whole data set lives
on the device as uint8, is shuffled and binarised there, and never passes through a data loader; a
fused optimiser and a one-cycle schedule; on CUDA, steps that are recorded once and replayed; a
progress bar; evaluation; interruption and resuming.
"""

import copy
import io
import math
import os
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.data import ImageData
from course_utils.data import binarize as binarize_once
from course_utils.models import MODELS
from course_utils.session import own_seed

Loss = Callable[[Any, Tensor], Tensor]  # (model, x (B, D)) -> (B,)

BINARIZE = ("none", "dynamic")
PRECISIONS = (None, "highest", "high", "medium", "bfloat16")
WARM_UP = 0.2  # share of the steps in which the learning rate rises
FIRST_STEPS = 3  # that run one by one on CUDA, before the rest is captured
PER_REPLAY = 20  # captured steps in one replay
KEYS = {"format", "model", "options", "weights", "rows", "training_state"}  # of a checkpoint
CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"  # those that travel with the package
EVALUATION_CHUNK = 1_000  # rows scored at a time: their activations stay in the processor's cache


class NonFiniteLoss(RuntimeError):
    """The training loss became infinite or not a number; the model is back at the last epoch."""


class CheckpointError(ValueError):
    """The file is no checkpoint of the course, is damaged, or belongs to another model or plan."""


# What rebuilding from a file with missing or unfit contents raises.
UNFIT = (AttributeError, KeyError, RuntimeError, TypeError, ValueError)


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
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    training_state: dict | None = field(default=None, repr=False)
    interrupted: bool = False

    def column(self, name: str) -> list[float]:
        """One quantity over the epochs: `history.column("test_elbo")`."""
        return [row[name] for row in self.rows]


# --- batches and scores --------------------------------------------------------------------------


def as_input(pixels: Tensor, dynamic: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels (B, D) as float inputs; uint8 is scaled to [0, 1].

    With `dynamic`, each pixel is drawn anew: 1 with probability equal to its grey value.
    """
    x = pixels.to(dtype) / 255 if pixels.dtype == torch.uint8 else pixels.to(dtype)
    return (torch.rand_like(x) < x).to(dtype) if dynamic else x


def default_loss(model: Any, x: Tensor) -> Tensor:
    """`model.loss(x)`, (B,)."""
    return model.loss(x)


def _losses(loss: Loss, model: nn.Module, x: Tensor) -> Tensor:
    losses = loss(model, x)
    if losses.shape != x.shape[:1]:  # a mean over the batch would be averaged wrongly, silently
        raise ValueError(
            f"loss: expected one value for each row, ({len(x)},), got {tuple(losses.shape)}"
        )
    return losses


def _elbo_scores(model: Any, x: Tensor) -> dict[str, Tensor]:
    log_lik, kl = model.elbo_terms(x)
    elbo = log_lik - kl
    return {"loss": -elbo, "elbo": elbo, "log_lik": log_lik, "kl": kl}


@torch.no_grad()
def evaluate(model: nn.Module, pixels: Tensor, loss: Loss = default_loss) -> dict[str, float]:
    """Mean loss over the rows of `pixels` (N, D), and mean ELBO, log-likelihood term and KL.

    A model with `elbo_terms` minimises -ELBO unless `loss` says otherwise: one pass gives all.
    Draws from a random stream of its own, the same one each time: the curves of two epochs differ
    by what was learned, not by luck, and evaluating does not change what training draws.
    """

    def means(scores_of: Callable[[Any, Tensor], dict[str, Tensor]]) -> dict[str, float]:
        totals: dict[str, float] = {}
        with own_seed(0):
            for part in pixels.split(EVALUATION_CHUNK):
                x = as_input(part, dtype=next(model.parameters()).dtype)
                for name, score in scores_of(model, x).items():
                    totals[name] = totals.get(name, 0.0) + score.cpu().double().sum().item()
        return {name: total / len(pixels) for name, total in totals.items()}

    scores = means(_elbo_scores) if hasattr(model, "elbo_terms") else {}
    if not scores or loss is not default_loss:
        scores |= means(lambda model, x: {"loss": _losses(loss, model, x)})
    return scores


def _rows_of_pixels(data: ImageData | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Train and test sets as two tensors (N, D) on the CPU."""
    pair = (data.train_images, data.test_images) if isinstance(data, ImageData) else data
    rows = [images.flatten(1) for images in pair if images.dim() > 1 and len(images) > 0]
    if len(rows) != 2 or rows[0].shape[1] != rows[1].shape[1]:
        shapes = " and ".join(str(tuple(images.shape)) for images in pair)
        raise ValueError(
            f"data: expected train and test rows of one width, neither empty, got {shapes}"
        )
    return rows[0], rows[1]


# --- the loop ------------------------------------------------------------------------------------


def fit(
    model: nn.Module,
    data: ImageData | tuple[Tensor, Tensor],
    epochs: int,
    batch_size: int = 200,
    learning_rate: float = 1e-2,
    binarize: str = "none",
    loss: Loss | None = None,
    resume: "History | str | Path | None" = None,
    checkpoint: str | Path | None = None,
    after_epoch: Callable[[nn.Module, dict], None] | None = None,
    progress: bool = True,
    precision: str | None = None,
    capture: bool | None = False,
) -> History:
    """Train a model on the device that it is on, and score it after every epoch.

    Interrupting the kernel ends the run at the last whole epoch and returns what there is.

    Args:
        model: any module with `loss(x)` (see `models`).
        data: an `ImageData`, or a pair (train, test) of tensors, uint8 or float, rows of D pixels.
        epochs: passes over the training set; also the length of the learning-rate schedule.
        batch_size: rows a step.
        learning_rate: peak of the schedule, see `one_cycle`.
        binarize: `"none"` trains on grey pixels; `"dynamic"` draws binary pixels anew for every
            batch, and scores on one fixed draw.
        loss: (model, x (B, D)) -> (B,), minimised on average; `model.loss(x)` by default.
        resume: a `History`, or a checkpoint's path, to continue the same plan from. On the CPU the
            result is bit for bit that of a run that was never interrupted.
        checkpoint: path to save weights and training state to after every epoch.
        after_epoch: called as `after_epoch(model, row)` when an epoch has been scored, with a
            random stream of its own: what it draws does not change the training.
        progress: show a progress bar.
        precision: of the matrix products while training. `"highest"`, `"high"`, `"medium"`: see
            `torch.set_float32_matmul_precision`; the last lets float32 products use what is faster
            (wider vectors, TF32, bfloat16). `"bfloat16"`: products of bfloat16 numbers (autocast),
            where the device has instructions for them. Weights, sums over pixels, losses and
            scores stay float32. None: as torch is set.
        capture: on CUDA, record steps as a graph and replay it: no time is lost between kernels.
            Python in the loss then runs only while recording, so that a number which it changes
            (a KL weight that warms up, say) stays what it was. None: where the loss is the
            model's own. What cannot be recorded runs step by step, and a line says so. False by
            default, because it has not been run on a GPU yet.
    Returns:
        A `History`.
    Raises:
        NonFiniteLoss: when the loss becomes infinite or NaN.
        CheckpointError: when `resume` is no checkpoint, or one of another model or plan.
        ValueError: for arguments out of range.
    """
    device = next(model.parameters()).device
    train, test = (pixels.to(device) for pixels in _rows_of_pixels(data))
    plan = {
        "model": f"{type(model).__name__} {getattr(model, 'options', '')}",
        "device": device.type,
        "images": len(train),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "binarize": binarize,
        "precision": precision,
    }
    _check_plan(plan)
    if precision == "bfloat16" and not has_bfloat16(device):
        print('No bfloat16 instructions here: training goes on with precision="medium".')
        plan["precision"] = precision = "medium"
    if checkpoint is not None:
        _check_savable(model)
    loss = loss or default_loss
    train_sample = train[: len(test)]
    if binarize == "dynamic":
        test, train_sample = binarize_once(test, seed=0), binarize_once(train_sample, seed=0)

    steps = math.ceil(len(train) / batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    rows = _resume(resume, model, optimizer, plan) if resume is not None else []

    def boundary() -> dict:
        """All that a run is made of at the end of an epoch, copied."""
        state = {
            "optimizer": optimizer.state_dict(),
            "random": _generator_of(device).get_rng_state(),
            "epoch": len(rows),
            "plan": plan,
        }
        return copy.deepcopy(
            {"weights": model.state_dict(), "training_state": state, "rows": rows}
        )

    def finish(interrupted: bool) -> History:
        model.load_state_dict(last["weights"])
        model.eval()
        return History(last["rows"], last["training_state"], interrupted)

    def stop_unless_finite(value: float) -> None:
        if not math.isfinite(value):
            done = len(finish(interrupted=True).rows)
            raise NonFiniteLoss(
                f"the loss became {value} in epoch {done + 1} of {epochs} (learning_rate="
                f"{learning_rate:g}); the model is back at the end of epoch {done}. "
                "Try a smaller learning rate."
            )

    last = boundary()
    start = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
    bar = tqdm(
        total=epochs * steps,
        initial=len(rows) * steps,
        desc="training",
        unit="step",
        disable=not progress,
    )
    try:
        with bar:
            dynamic, low = binarize == "dynamic", precision == "bfloat16"
            stepper = _pick_steps(capture, model, train, loss, optimizer, batch_size, dynamic, low)
            for epoch in range(len(rows) + 1, epochs + 1):
                number = range((epoch - 1) * steps, epoch * steps)
                rates = [one_cycle(n, epochs * steps, learning_rate) for n in number]
                with _matmul_precision(precision):
                    mean_loss = stepper.epoch(rates, bar)
                stop_unless_finite(mean_loss)
                scores = {"train": evaluate(model, train_sample, loss)}
                scores["test"] = evaluate(model, test, loss)
                row = {"epoch": epoch, "seconds": time.perf_counter() - start}
                row |= {f"{s}_{k}": v for s, by_name in scores.items() for k, v in by_name.items()}
                stop_unless_finite(row["train_loss"] + row["test_loss"])
                rows = [*rows, row]
                last = boundary()
                bar.set_postfix_str(f"epoch {epoch}, test loss {row['test_loss']:.2f}")
                if checkpoint is not None:
                    save_checkpoint(checkpoint, model, finish(epoch < epochs))
                if after_epoch is not None:
                    with own_seed(0):
                        after_epoch(model, row)
    except KeyboardInterrupt:
        history = finish(interrupted=True)
        done = len(history.rows)
        print(f"Interrupted. The model is as it was after epoch {done} of {epochs}; ", end="")
        print("to go on, pass resume=history with the same arguments.")
        return history
    return finish(interrupted=False)


def _check_plan(plan: dict) -> None:
    for name in ("epochs", "batch_size"):
        if plan[name] < 1:
            raise ValueError(f"{name}: expected 1 or more, got {plan[name]}")
    if not plan["learning_rate"] > 0:
        raise ValueError(f"learning_rate: expected more than 0, got {plan['learning_rate']}")
    if plan["binarize"] not in BINARIZE:
        raise ValueError(f"binarize: expected one of {BINARIZE}, got {plan['binarize']!r}")
    if plan["precision"] not in PRECISIONS:
        raise ValueError(f"precision: expected one of {PRECISIONS}, got {plan['precision']!r}")


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of step 0 .. steps - 1: up to the peak in a fifth of them, then down.

    Along half a cosine each way: from 1/25 of the peak, and to 1/250,000 of it. Bit for bit that
    of `torch.optim.lr_scheduler.OneCycleLR`, which can tell only the next step's.
    Source: Smith and Topin (2018).
    """
    low, top = peak / 25, (WARM_UP + 1e-9) * steps - 1  # 1e-9: never the same step as the first
    start, end, share = low, peak, step / top
    if step > top:
        start, end, share = peak, low / 1e4, (step - top) / (steps - 1 - top)
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices faster than float32 ones.

    Processors say so since torch has `torch.cpu.get_capabilities`; with an older one: False.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@contextmanager
def _matmul_precision(precision: str | None) -> Iterator[None]:
    if precision in (None, "bfloat16"):  # the latter is up to each step
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _generator_of(device: torch.device) -> Any:
    """The module whose `get_rng_state` and `set_rng_state` belong to the device."""
    return {"cpu": torch, "cuda": torch.cuda, "mps": torch.mps}[device.type]


def _resume(resume, model, optimizer, plan) -> list[dict]:
    """Put model, optimiser and random state back to an epoch's end; return its rows."""
    if isinstance(resume, History):
        weights, state, rows = model.state_dict(), resume.training_state, resume.rows
    else:
        content = _read_checkpoint(resume)
        weights, state, rows = (content[k] for k in ("weights", "training_state", "rows"))
    if state is None:
        raise CheckpointError(
            "resume: expected a training state, got a finished model without one"
        )
    try:
        changed = [k for k in plan if state["plan"][k] != plan[k]]
        if not changed:
            state = copy.deepcopy(state)
            model.load_state_dict(weights)
            optimizer.load_state_dict(state["optimizer"])
            _generator_of(next(model.parameters()).device).set_rng_state(state["random"])
            return list(rows)
    except UNFIT as error:
        raise CheckpointError(f"resume: the training state does not fit: {error}") from error
    before = ", ".join(f"{k} {state['plan'][k]} (now {plan[k]})" for k in changed)
    raise CheckpointError(f"resume: the run to continue was planned with {before}")


# --- steps, one by one or captured ---------------------------------------------------------------


class _Steps:
    """Optimiser steps over rows that live on the device, launched one by one."""

    def __init__(self, model, train, loss, optimizer, batch_size, dynamic, bfloat16=False):
        self.model, self.train, self.loss, self.optimizer = model, train, loss, optimizer
        self.batch_size, self.dynamic, self.bfloat16 = batch_size, dynamic, bfloat16
        self.dtype = next(model.parameters()).dtype
        self.total = torch.zeros((), device=train.device, dtype=self.dtype)

    def epoch(self, rates: list[float], bar: tqdm) -> float:
        """One pass in random order, with a learning rate for each step; its mean loss."""
        self.model.train()
        self.total.zero_()
        self.run(torch.randperm(len(self.train), device=self.train.device), rates, bar)
        self.model.eval()
        return self.total.item() / len(self.train)

    def run(self, order: Tensor, rates: list[float], bar: tqdm) -> None:
        for rows, rate in zip(order.split(self.batch_size), rates):
            self.step(rows, rate)
            bar.update()

    def step(self, rows: Tensor, rate: float | Tensor) -> None:
        mean_loss = self.mean_loss(rows)
        self.optimizer.zero_grad()
        mean_loss.backward()
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.total += mean_loss.detach() * len(rows)  # stays on the device: reading it would wait

    def mean_loss(self, rows: Tensor) -> Tensor:
        pixels = self.train.index_select(0, rows)  # train[rows] takes the CPU ten times as long
        x = as_input(pixels, self.dynamic, self.dtype)
        # Anew for each step: autocast keeps its copies of the weights while it lasts.
        low = torch.autocast(x.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()
        with low:
            return _losses(self.loss, self.model, x).mean()


class _CapturedSteps(_Steps):
    """The same steps, recorded as a CUDA graph and replayed `PER_REPLAY` at a time.

    A step of a small network is a hundred kernels of a few microseconds, and Python takes longer
    to launch one than the GPU to run it; a graph launches them all at once. It works on fixed
    addresses: each replay finds its rows and learning rates in two buffers. Random numbers are
    those of the single steps: a replay moves torch's generator on as they would.
    Source: PyTorch's notes on CUDA semantics, "CUDA Graphs", whole-network capture.
    """

    def __init__(self, *parts):
        super().__init__(*parts)
        device, shape = self.train.device, (PER_REPLAY, self.batch_size)
        self.rows = torch.zeros(shape, dtype=torch.int64, device=device)
        self.rates = torch.zeros(PER_REPLAY, device=device)
        self.replay: Callable[[], None] | None = None

    def run(self, order: Tensor, rates: list[float], bar: tqdm) -> None:
        if self.replay is None:
            first = FIRST_STEPS * self.batch_size
            self.replay = self.record(order[:first], rates, bar)
            order, rates = order[first:], rates[FIRST_STEPS:]
        table = torch.tensor(rates, dtype=self.rates.dtype, device=self.rates.device)
        while len(order) >= self.rows.numel():
            self.rows.copy_(order[: self.rows.numel()].view_as(self.rows))
            self.rates.copy_(table[:PER_REPLAY])
            self.replay()
            bar.update(PER_REPLAY)
            order, table = order[self.rows.numel() :], table[PER_REPLAY:]
        if len(order):  # too few steps for a replay, or a short batch
            super().run(order, rates[-len(table) :], bar)

    def recorded_steps(self) -> None:
        for rows, rate in zip(self.rows, self.rates):
            self.step(rows, rate)

    def record(self, order: Tensor, rates: list[float], bar: tqdm) -> Callable[[], None]:
        """Run the first steps one by one, then capture the next, which does not run them.

        The first ones make Adam's moments and the libraries' handles; not on the main stream,
        where autograd's bookkeeping would spoil the capture.
        """
        device = self.train.device
        main, beside = torch.cuda.current_stream(device), torch.cuda.Stream(device)
        beside.wait_stream(main)
        with torch.cuda.stream(beside):
            super().run(order, rates, bar)
        main.wait_stream(beside)
        group, graph = self.optimizer.param_groups[0], torch.cuda.CUDAGraph()
        group["capturable"] = True
        with torch.cuda.graph(graph, stream=beside):
            self.recorded_steps()
        group |= {"capturable": False, "lr": 0.0}  # no checkpoint keeps a buffer's address
        return graph.replay

    def rehearse(self) -> None:
        """Loss and gradient of one batch; a RuntimeError if Python waits for the device in it.

        Nothing that waits (`.item()`, `print(x)`) can be captured, and a capture that fails
        leaves torch's generator unusable: so this is found out before.
        """
        device = self.train.device
        rows = torch.arange(self.batch_size, device=device)
        random, mode = torch.cuda.get_rng_state(device), torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings():  # torch warns that it may overlook some
            warnings.simplefilter("ignore")
            torch.cuda.set_sync_debug_mode("error")
        try:
            self.mean_loss(rows).backward()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
            torch.cuda.set_rng_state(random, device)


def _pick_steps(capture: bool | None, *parts) -> _Steps:
    """Captured steps where they are wanted, possible, and enough for a replay."""
    plain = _Steps(*parts)
    wanted = plain.loss is default_loss if capture is None else capture
    needed = (FIRST_STEPS + PER_REPLAY) * plain.batch_size
    if not wanted or plain.train.device.type != "cuda" or len(plain.train) < needed:
        return plain
    captured = _CapturedSteps(*parts)
    try:
        captured.rehearse()
    except RuntimeError as error:
        print(f"The steps run one by one, they cannot be captured: {str(error).splitlines()[0]}")
        return plain
    return captured


def train_classifier(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int = 2,
    batch_size: int = 200,
    learning_rate: float = 3e-3,
) -> None:
    """Maximise the mean log p(y|x) by Adam. The plain loop of notebook 00, where it is shown.

    Args:
        classifier: images (B, D) to logits, on the device to train on.
        images: (N, D) in [0, 1]. labels: int64 (N,).
    """
    device = next(classifier.parameters()).device
    optimizer = torch.optim.Adam(classifier.parameters(), lr=learning_rate)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch_size):
            x, y = images[rows].to(device), labels[rows].to(device)
            loss = nn.functional.cross_entropy(classifier(x), y)  # mean of -log p(y|x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# --- checkpoints ---------------------------------------------------------------------------------


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    history: History | None = None,
    training_state: dict | None = None,
    half: bool = False,
) -> None:
    """Write a model of `models.MODELS` to a file, whole or not at all.

    Args:
        path: the file; its folder is made when missing.
        history: rows to keep, and the training state to resume from.
        training_state: overrides the one in `history`.
        half: store weights in half precision and no training state: small, for committed files.
    Raises:
        ValueError: for a model that `load_checkpoint` could not rebuild.
        OSError: when the file cannot be written; an older file of that name is then untouched.
    """
    _check_savable(model)
    state = training_state or (history.training_state if history else None)
    weights = {k: v.half() if half else v for k, v in model.state_dict().items()}
    content = {
        "format": 1,
        "model": type(model).__name__,
        "options": model.options,
        "weights": weights,
        "rows": history.rows if history else [],
        "training_state": None if half else state,
    }
    buffer = io.BytesIO()  # torch.save on a file hides why writing failed
    torch.save(content, buffer)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(aside, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)  # readers see the old file or the new one, never half of one
    finally:
        aside.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> nn.Module:
    """Rebuild a model from a file of `save_checkpoint`: float32, on the CPU, in evaluation mode.

    Args:
        path: the file, or the name of a model that travels with the package: `"mnist-vae-20"`.

    Never executes code from the file: torch reads plain tensors, numbers and strings only, and the
    class is looked up in `models.MODELS`.

    Raises:
        FileNotFoundError: when there is no such file.
        CheckpointError: when the file is damaged, hostile or no checkpoint of this course.
    """
    content = _read_checkpoint(path)
    try:
        model = MODELS[content["model"]](**content["options"])
        model.load_state_dict({k: v.float() for k, v in content["weights"].items()})
    except UNFIT as error:
        raise CheckpointError(f"{path}: does not fit any model of the course: {error}") from error
    return model.eval()


def _read_checkpoint(path: str | Path) -> dict:
    path, packaged = Path(path), CHECKPOINTS / f"{path}.pt"
    if not path.is_file() and not packaged.is_file():
        names = sorted(file.stem for file in CHECKPOINTS.glob("*.pt"))
        raise FileNotFoundError(f"{path}: no such checkpoint; with the package come {names}")
    path = path if path.is_file() else packaged
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged or hostile files
        raise CheckpointError(
            f"{path}: damaged, or no checkpoint ({type(error).__name__})"
        ) from error
    if not isinstance(content, dict) or content.get("format") != 1 or not content.keys() >= KEYS:
        raise CheckpointError(f"{path}: expected a checkpoint of this course (format 1)")
    return content


def _check_savable(model: nn.Module) -> None:
    name = type(model).__name__
    if MODELS.get(name) is not type(model):
        raise ValueError(f"model: expected one of {sorted(MODELS)}, got {name}")
