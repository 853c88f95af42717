"""Optimiser steps over rows that live on the device: batches, learning rate, precision."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.arguments import described
from course_utils.data import scaled
from course_utils.files import reason

Loss = Callable[[Any, Tensor], Tensor]  # (model, x (B, D)) -> (B,)

WARM_UP = 0.2  # share of the steps in which the learning rate rises


def as_input(pixels: Tensor, dynamic: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels (B, D) as float inputs; uint8 is scaled to [0, 1].

    With `dynamic`, each pixel is drawn anew: 1 with probability equal to its grey value.
    """
    x = scaled(pixels, dtype)
    return (torch.rand_like(x) < x).to(dtype) if dynamic else x


def default_loss(model: Any, x: Tensor) -> Tensor:
    """`model.loss(x)`, (B,)."""
    return model.loss(x)


def losses_of(loss: Loss, model: nn.Module, x: Tensor) -> Tensor:
    """What the loss gives, (B,).

    Raises:
        ValueError: for another shape: a mean over the batch would be averaged wrongly, silently.
    """
    losses = loss(model, x)
    if not isinstance(losses, Tensor):
        raise ValueError(
            f"loss: expected a tensor ({len(x)},), one value for each row, got {described(losses)}"
        )
    if losses.shape != x.shape[:1]:
        raise ValueError(
            f"loss: expected one value for each row, ({len(x)},), got {tuple(losses.shape)}"
        )
    return losses


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of step 0 .. steps - 1: up to the peak in a fifth of them, then down to 0.

    Along a straight line each way: from 1/25 of the peak, and to 1/250,000 of it. Bit for bit that
    of `torch.optim.lr_scheduler.OneCycleLR` with `anneal_strategy="linear"`, which can tell only
    the next step's. Source: Smith and Topin (2018).
    """
    low, top = peak / 25, (WARM_UP + 1e-9) * steps - 1  # 1e-9: never the same step as the first
    start, end, share = low, peak, step / top
    if step > top:
        start, end, share = peak, low / 1e4, (step - top) / (steps - 1 - top)
    return (end - start) * share + start


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
def matmul_precision(precision: str | None) -> Iterator[None]:
    """torch's precision of float32 products within a block; None leaves it, as does "bfloat16".

    `"highest"`, `"high"`, `"medium"`: see `torch.set_float32_matmul_precision`. The last lets
    products use what is faster (wider vectors, TF32, bfloat16).
    """
    if precision in (None, "bfloat16"):  # the latter is up to each step
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def generator_of(device: torch.device) -> Any:
    """The module whose `get_rng_state` and `set_rng_state` belong to the device."""
    return {"cpu": torch, "cuda": torch.cuda, "mps": torch.mps}[device.type]


class Steps:
    """Optimiser steps over the rows `train` (N, D), which live on the model's device.

    Args:
        binarize, precision: as in `fit`.
        compiled: let `torch.compile` make one piece of the loss of a full batch; on CUDA its
            kernels are then launched all at once, as a graph. Python in the loss then runs only
            while compiling, so that a number which it changes (a KL weight that warms up, say)
            stays what it was. Where compiling fails, a line says so, and the steps run as written.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Tensor,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        batch_size: int,
        binarize: str = "none",
        precision: str | None = None,
        compiled: bool = False,
    ):
        self.model, self.train, self.loss, self.optimizer = model, train, loss, optimizer
        self.batch_size, self.dynamic, self.precision = (
            batch_size,
            binarize == "dynamic",
            precision,
        )
        self.dtype = next(model.parameters()).dtype
        self.total = torch.zeros((), device=train.device, dtype=self.dtype)
        # Shapes never change: a shorter last batch is left to the plain step.
        self.compiled = (
            torch.compile(self.mean_loss, mode="reduce-overhead", dynamic=False)
            if compiled
            else None
        )

    def epoch(self, rates: list[float], bar: tqdm) -> float:
        """One pass in random order, with a learning rate for each step; its mean loss."""
        self.model.train()
        self.total.zero_()
        order = torch.randperm(len(self.train), device=self.train.device)
        with matmul_precision(self.precision):
            for rows, rate in zip(order.split(self.batch_size), rates):
                self.step(rows, rate)
                bar.update()
        self.model.eval()
        return self.total.item() / len(self.train)

    def step(self, rows: Tensor, rate: float) -> None:
        """One step of the optimiser on the mean loss over some rows of the training set."""
        self.optimizer.zero_grad()
        mean_loss = self.gradient(rows)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.total += mean_loss * len(rows)  # stays on the device: reading it would wait

    def gradient(self, rows: Tensor) -> Tensor:
        """Add the gradient of the mean loss over some rows; returns that loss, detached."""
        if self.compiled and len(rows) == self.batch_size:
            generator = generator_of(self.train.device)
            random = generator.get_rng_state()
            try:
                mean_loss = self.compiled(rows)
                mean_loss.backward()
                return mean_loss.detach()
            except Exception as error:  # no compiler, an operation that it does not know, ...
                print(f"The steps are not compiled, they run as written: {reason(error)}")
                self.compiled = None
                self.optimizer.zero_grad()
                generator.set_rng_state(random)
        mean_loss = self.mean_loss(rows)
        mean_loss.backward()
        return mean_loss.detach()

    def mean_loss(self, rows: Tensor) -> Tensor:
        """The mean loss over rows (B,) of the training set, from pixels drawn anew if dynamic."""
        pixels = self.train.index_select(0, rows)  # train[rows] takes the CPU ten times as long
        x = as_input(pixels, self.dynamic, self.dtype)
        # Anew for each step: autocast keeps its copies of the weights while it lasts.
        low = self.precision == "bfloat16"
        with torch.autocast(x.device.type, torch.bfloat16) if low else nullcontext():
            return losses_of(self.loss, self.model, x).mean()
