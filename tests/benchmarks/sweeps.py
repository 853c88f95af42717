"""Many small models: trained one after another, or all in one vectorised run?

    python tests/benchmarks/sweeps.py [--minutes 7.5] [--quick]

The vectorised run stacks the parameters of eight VAEs and maps one step over them (`torch.func`:
`vmap` over `functional_call`), with one fused Adam for all. Milliseconds per model and step, both
ways in turn. On two CPU cores: a minute.
"""

import copy
import itertools
from collections.abc import Callable

import torch
from record import Pieces, lower_quartile, options, print_table, save_by_device, seconds_of
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import matmul_precision

MODELS, TRIALS = 8, 25
SIZES = ((16, 20), (32, 50), (32, 200), (100, 200), (300, 200))  # hidden units, batch


class Loss(nn.Module):
    """A model's mean loss as a module's output, for `functional_call`."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.loss(x).mean()


def one_by_one(losses: list[Loss], x: Tensor) -> Callable[[], None]:
    """A step of each model in turn."""
    optimizers = [torch.optim.Adam(loss.parameters(), fused=True) for loss in losses]

    def step() -> None:
        for loss, optimizer in zip(losses, optimizers):
            optimizer.zero_grad()
            loss(x).backward()
            optimizer.step()

    return step


def all_at_once(losses: list[Loss], x: Tensor) -> Callable[[], None]:
    """A step of all models, as one model with stacked parameters."""
    stacked, _ = stack_module_state(losses)
    stacked = {name: p.detach().clone().requires_grad_() for name, p in stacked.items()}
    optimizer = torch.optim.Adam(stacked.values(), fused=True)
    skeleton = copy.deepcopy(losses[0])
    mapped = vmap(lambda p: functional_call(skeleton, p, (x,)), randomness="different")

    def step() -> None:
        optimizer.zero_grad()
        mapped(stacked).sum().backward()  # the models share nothing: each gets its own gradient
        optimizer.step()

    return step


def measure(hidden: int, batch: int, precision: str, trials: int, device: torch.device) -> dict:
    """Milliseconds per model and step, both ways."""
    seed_everything(0)
    x = torch.rand(batch, 784, device=device)
    ways = {"one_by_one": one_by_one, "all_at_once": all_at_once}
    steps = {
        k: w([Loss(VAE(2, hidden).to(device)) for _ in range(MODELS)], x) for k, w in ways.items()
    }
    times = {name: [] for name in ways}
    with matmul_precision(precision):
        for name in list(times) * (trials + 1):
            times[name].append(seconds_of(steps[name], device))
    return {f"{k}_ms": 1e3 * lower_quartile(v[1:]) / MODELS for k, v in times.items()}


def main() -> None:
    given = options(__doc__)
    device = pick_device()
    sizes, trials = (SIZES[:1], 2) if given.quick else (SIZES, TRIALS)
    pieces, rows = Pieces("sweeps", [SIZES, MODELS, TRIALS], given), []
    for (hidden, batch), precision in itertools.product(sizes, ("highest", "medium")):
        key = {"hidden_dim": hidden, "batch_size": batch, "precision": precision}
        found = pieces.get(str(key), lambda a=key: measure(*a.values(), trials, device))
        rows.append({**key, **(found or {})})
    if not pieces.finished():
        return
    for row in rows:
        row["gain"] = row["one_by_one_ms"] / row["all_at_once_ms"]
    print_table(rows)
    if given.quick:
        return
    plan = {"models": MODELS, "latent_dim": 2, "trials": TRIALS}
    save_by_device("sweeps", device, {"rows": rows}, plan=plan, seed=0, published="none found")
    pieces.clear()


if __name__ == "__main__":
    main()
