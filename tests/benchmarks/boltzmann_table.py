"""Boltzmann machines on all digits: log p(x) of the test digits, with Z by annealing.

    python tests/benchmarks/boltzmann_table.py [--rows "RBM"] [--minutes 7.5] [--quick]

Two restricted machines of 500 hidden units, trained with CD-1 and with persistent chains, and a
deep machine that begins as the second of them, with links near 0 to a second hidden layer. So its
bound begins at the restricted machine's log p(x). All are trained on all 60,000 digits, binarised
anew each time, and judged on the 10,000 test digits, binarised once with seed 0.

The steps go along the centred gradient (Montavon and Müller 2012), with a rate that rises over the
first 2 % of the updates and then falls to 0. What is judged is a running mean of the weights.

log Z comes from annealed importance sampling, which tends to make log p(x) too high, at 15,000
temperatures and at 30,000. RAISE, which bounds it from below, takes the first 100 test digits, at
15,000 temperatures and at 60,000, because its bound gets closer with more of them; AIS's value for
the same digits is given beside it. The training goes on where it was stopped, round by round.
About an hour and three quarters of one CPU core: 5 minutes of training for the first row, 30 for
the second and 36 for the third, and half an hour of annealing.
"""

import base64
import io
import math
import time
from dataclasses import dataclass

import torch
from record import Pieces, digits_for, options, print_table, save_result
from torch import Tensor

from course_utils.data import ImageData, as_float, binarize
from course_utils.models import (
    DBM,
    RBM,
    annealed_log_partition,
    annealed_log_prob,
    temperatures,
)
from course_utils.session import pick_device, seed_everything

PUBLISHED = {  # 10,000 test digits, by annealing
    "RBM, CD-1": -125.53,  # Salakhutdinov and Murray (2008), table 1
    "RBM, CD-3": -105.50,
    "RBM, CD-25": -86.34,
    "DBN, 500 and 2000 units, bound": -86.22,
    "DBM, 500 and 1000 units, bound": -84.62,  # Salakhutdinov and Hinton (2009)
}
ROWS = {  # updates in all; each round is one piece
    "RBM, CD-1": {"persistent": False, "centre": False, "rate": 0.05, "rounds": 2},
    "RBM, persistent chains": {"persistent": True, "centre": True, "rate": 0.2, "rounds": 12},
    "DBM": {"persistent": True, "centre": True, "rate": 0.05, "rounds": 6, "second": 500},
}
PLAN = {"hidden_dim": 500, "updates": 20_000, "batch_size": 100, "field_steps": 5}
PLAN |= {"memory": 0.9998, "temperatures": [15_000, 30_000], "chains": 100, "raise_digits": 100}
PLAN |= {"seed": 0}
RAISED = [15_000, 60_000]  # temperatures of RAISE
QUICK = PLAN | {"hidden_dim": 20, "updates": 40, "temperatures": [100, 200], "raise_digits": 20}
QUICK |= {"memory": 0.98}


# --- training ------------------------------------------------------------------------------------


@dataclass
class Training:
    """A machine on its way: visible side x (and h_2), hidden side h_1.

    weight (D, M), sides (D,) and hidden (M,) are the folded machine; `means` are the running means
    of these three; centre (M_2 + M,) those of h_2 and h_1; chains (B, M) are states of h_1.
    """

    weight: Tensor
    sides: Tensor
    hidden: Tensor
    means: tuple[Tensor, Tensor, Tensor]
    centre: Tensor
    chains: Tensor
    done: int = 0
    seconds: float = 0.0

    def packed(self) -> dict:
        """As JSON can keep it exactly."""
        buffer = io.BytesIO()
        torch.save({k: v for k, v in vars(self).items() if k not in ("done", "seconds")}, buffer)
        return {
            "done": self.done,
            "seconds": round(self.seconds, 1),
            "state": base64.b64encode(buffer.getvalue()).decode(),
        }

    @classmethod
    def unpacked(cls, piece: dict, device: torch.device) -> "Training":
        """What `packed` made of it."""
        buffer = io.BytesIO(base64.b64decode(piece["state"]))
        state = torch.load(buffer, weights_only=True, map_location=device)
        return cls(**state, done=piece["done"], seconds=piece["seconds"])

    def averaged(self) -> RBM:
        """The folded machine with its running means."""
        return RBM(*self.means)


def begun(images: Tensor, plan: dict) -> Training:
    """A restricted machine with small weights, and the mean pixels as its visible biases."""
    parameters = RBM.start(images.shape[1], plan["hidden_dim"], images).parameters()
    half = torch.full((plan["hidden_dim"],), 0.5, device=images.device)
    chains = torch.bernoulli(half.expand(plan["batch_size"], -1))
    return Training(*parameters, tuple(p.clone() for p in parameters), half, chains)


def deepened(before: Training, second: int) -> Training:
    """The same model with a second hidden layer, whose links are near 0."""
    links = 0.01 * torch.randn(second, before.weight.shape[1], device=before.weight.device)
    weight, sides, hidden = (t.clone() for t in before.means)
    weight, sides = torch.cat([weight, links]), torch.cat([sides, sides.new_zeros(second)])
    centre = torch.cat([sides.new_full((second,), 0.5), before.centre])
    means = weight.clone(), sides.clone(), hidden.clone()
    return Training(weight, sides, hidden, means, centre, before.chains)


def filled(now: Training, x: Tensor, field_steps: int) -> tuple[Tensor, Tensor]:
    """x with mean field's h_2 (B, D), and the probabilities of h_1 (B, M)."""
    D = x.shape[1]
    up = torch.addmm(now.hidden, x, now.weight[:D])
    if len(now.sides) == D:
        return x, torch.sigmoid(up)
    links, bias = now.weight[D:], now.sides[D:]
    q_1 = torch.sigmoid(up + 0.5 * links.sum(0))
    for _ in range(field_steps):
        q_2 = torch.sigmoid(torch.addmm(bias, q_1, links.T))
        q_1 = torch.sigmoid(torch.addmm(up, q_2, links))
    return torch.cat([x, q_2], 1), q_1


def drawn(p: Tensor) -> Tensor:
    """Units that are 1 with probability p."""
    return (torch.rand_like(p) < p).to(p)


@torch.no_grad()
def train(now: Training, images: Tensor, recipe: dict, plan: dict, total: int) -> None:
    """`plan["updates"]` updates in place; the rate follows from `now.done` and `total`.

    The gradient is never formed. With S for the rows of both sides, less their centre, and H for
    those of h_1, data and dreams one above the other, the step of W is Sᵀ H, and the centring of
    the biases needs H λ and S μ only.
    """
    B, D, start = plan["batch_size"], images.shape[1], time.perf_counter()
    mean = images.float().mean(0) / 255
    sign = torch.tensor([1 / B, -1 / B], device=images.device).repeat_interleave(B)[:, None]
    for _ in range(plan["updates"]):
        share = now.done / total
        rate = recipe["rate"] * min(1.0, share / 0.02) * (1 - share)
        grey = images[torch.randint(len(images), (B,), device=images.device)]
        x = (torch.randint_like(grey, 255) < grey).float()
        rows, h = filled(now, x, plan["field_steps"])
        chains = now.chains if recipe["persistent"] else drawn(h)
        dream = drawn(torch.sigmoid(torch.addmm(now.sides, chains, now.weight.T)))
        dream_h = torch.sigmoid(torch.addmm(now.hidden, dream, now.weight))
        now.chains = drawn(dream_h)
        S, H = torch.cat([rows, dream]), torch.cat([h, dream_h])
        mu = torch.cat([mean, now.centre[: len(now.sides) - D]])
        lam = now.centre[len(now.sides) - D :]
        if not recipe["centre"]:
            mu, lam = torch.zeros_like(mu), torch.zeros_like(lam)
        d_sides, d_hidden = (sign * S).sum(0), (sign * H).sum(0)
        S, H = S - mu, sign * (H - lam)
        now.weight.addmm_(S.T, H, alpha=rate)
        now.sides.add_(d_sides - S.T @ (H @ lam), alpha=rate)
        now.hidden.add_(d_hidden - (S @ mu) @ H, alpha=rate)
        now.centre.lerp_(torch.cat([rows[:, D:].mean(0), h.mean(0)]), 0.01)
        now.done += 1
        if now.done % 10 == 0:  # the running mean, at a tenth of the cost
            new = max(10 * (1 - plan["memory"]), 10 / (now.done + 10))
            for old, p in zip(now.means, (now.weight, now.sides, now.hidden), strict=True):
                old.lerp_(p, min(new, 1.0))
    now.seconds += time.perf_counter() - start


def one_round(before: dict | None, first: dict | None, number: int, name: str, given) -> dict:
    """Train on for one round, from the round before or from the restricted machine `first`."""
    digits, plan, device = given
    seed_everything(plan["seed"] + 100 * list(ROWS).index(name) + number)
    images, recipe = digits.train_images.flatten(1).to(device), ROWS[name]
    if before is not None:
        now = Training.unpacked(before, device)
    elif first is not None:
        now = deepened(Training.unpacked(first, device), min(recipe["second"], plan["hidden_dim"]))
    else:
        now = begun(images, plan)
    train(now, images, recipe, plan, plan["updates"] * recipe["rounds"])
    return now.packed()


# --- judging -------------------------------------------------------------------------------------


def log_p_of(model: RBM, x: Tensor, log_z: Tensor) -> Tensor:
    """log p(x) (B,) of a restricted machine; the bound of a deep one."""
    D = x.shape[1]
    if model.data_dim == D:
        return -model.free_energy(x).double() - log_z
    W, b, c = model.parameters()
    dbm = DBM(RBM(W[:D], b[:D], c), W[D:].T, b[D:])
    return torch.cat([dbm.bound(p, *dbm.mean_field(p, 50), log_z) for p in x.split(1000)]).double()


def scores(piece: dict, steps: int, digits: ImageData, plan: dict, device) -> dict:
    """log Z at this number of temperatures, and log p(x) of all test digits, or its bound."""
    seed_everything(steps)
    model = Training.unpacked(piece, device).averaged()
    x = binarize(digits.test_images, seed=0).flatten(1).to(device)
    base = torch.logit(as_float(digits.train_images).mean(0), eps=0.01).flatten().to(device)
    base = torch.cat([base, base.new_zeros(model.data_dim - x.shape[1])])
    betas, start = temperatures(steps), time.perf_counter()
    log_z, error, _ = annealed_log_partition(model, betas, plan["chains"], base, progress=False)
    log_p = log_p_of(model, x, log_z)
    found = {"log_z": log_z.item(), "log_z_error": error.item(), "log_p": log_p.mean().item()}
    found["log_p_error"] = (log_p.std() / math.sqrt(len(log_p))).item()
    return found | {"annealing_seconds": round(time.perf_counter() - start, 1)}


def raised(piece: dict, steps: int, log_z: float, digits: ImageData, plan: dict, device) -> dict:
    """RAISE's log p(x) of the first test digits, and how much lower it lies than AIS's."""
    seed_everything(steps)
    model = Training.unpacked(piece, device).averaged()
    x = binarize(digits.test_images, seed=0).flatten(1)[: plan["raise_digits"]].to(device)
    base = torch.logit(as_float(digits.train_images).mean(0), eps=0.01).flatten().to(device)
    start = time.perf_counter()
    below = annealed_log_prob(model, x, temperatures(steps), 1, base, progress=False)
    gap = log_p_of(model, x, torch.tensor(log_z, dtype=torch.float64, device=device)) - below
    return {
        "temperatures": steps,
        "log_p": below.mean().item(),
        "lower_than_ais_by": gap.mean().item(),
        "its_error": (gap.std() / math.sqrt(len(gap))).item(),
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    given = options(__doc__, rows="")
    device, digits = pick_device(), digits_for(given)
    plan, rows, bounds, last = QUICK if given.quick else PLAN, [], [], {}
    pieces = Pieces("boltzmann_table", [plan, ROWS], given)
    plan = plan | {"raised": [100] if given.quick else RAISED}
    needed = {"DBM": "RBM, persistent chains"}
    for name, recipe in ROWS.items():
        if given.rows not in name and given.rows not in [
            k for k, v in needed.items() if v == name
        ]:
            pieces.missing.append(name)
            continue
        piece, first = None, last.get(needed.get(name))
        if name in needed and first is None:
            pieces.missing.append(name)
            continue
        for number in range(recipe["rounds"]):
            arguments = piece, first, number, name, (digits, plan, device)
            piece = pieces.get(f"{name}, round {number}", lambda a=arguments: one_round(*a))
            if piece is None:
                break
        last[name] = piece
        for steps in plan["temperatures"] if piece else ():
            arguments = (piece, steps, digits, plan, device)
            found = pieces.get(f"{name}, {steps} temperatures", lambda a=arguments: scores(*a))
            if found:
                seconds = {"training_seconds": piece["seconds"]}
                rows.append({"name": name, "temperatures": steps, **found, **seconds})
        if not (piece and found) or "second" in recipe:
            continue
        for steps in plan["raised"]:
            arguments = (piece, steps, found["log_z"], digits, plan, device)
            below = pieces.get(f"{name}, RAISE, {steps}", lambda a=arguments: raised(*a))
            if below:
                bounds.append({"name": name, **below})
    for table in (rows, bounds):
        if table:
            print_table(table)
    if not pieces.finished() or given.quick:
        return
    save_result(
        "boltzmann_table",
        what="log p(x) in nats of the test digits (DBM: its bound), log Z by annealing; RAISE",
        plan=plan,
        recipes=ROWS,
        published=PUBLISHED,
        digits=len(digits.test_images),
        rows=rows,
        bounds=bounds,
    )
    pieces.clear()


if __name__ == "__main__":
    main()
