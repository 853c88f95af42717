"""Restricted machines of 500 units: log p(x) of the test digits, with Z by annealing.

    python tests/benchmarks/boltzmann_table.py [--minutes 7.5] [--quick]

Trained on all 60,000 digits, binarised anew each time; judged on the 10,000 test digits, binarised
once with seed 0. log Z comes from annealed importance sampling, which tends to make log p(x) too
high, at 15,000 temperatures and at 30,000. RAISE, which bounds it from below, takes the first 100
test digits and 15,000 temperatures; AIS's value for the same digits is given beside it. The
training goes on where it was stopped, round by round; persistent chains begin anew in each round.
"""

import io
import math
import time

import torch
from record import Pieces, digits_for, options, print_table, save_result

from course_utils.data import ImageData, as_float, binarize
from course_utils.models import (
    RBM,
    annealed_log_partition,
    annealed_log_prob,
    temperatures,
    train_rbm,
)
from course_utils.session import pick_device, seed_everything

PUBLISHED = {  # Salakhutdinov and Murray (2008), table 1: 10,000 test digits, by annealing
    "CD-1": -125.53,
    "CD-3": -105.50,
    "CD-25": -86.34,
}
RECIPES = {
    "CD-1": {"steps": 1, "persistent": False},
    "persistent chains": {"steps": 5, "persistent": True},
}
PLAN = {"hidden_dim": 500, "rounds": 10, "epochs": 6, "batch_size": 100, "learning_rate": 0.1}
PLAN |= {"temperatures": [15_000, 30_000], "chains": 100, "raise_digits": 100, "seed": 0}
QUICK = PLAN | {"hidden_dim": 20, "rounds": 2, "epochs": 1}
QUICK |= {"temperatures": [100, 200], "raise_digits": 20}


def packed(model: RBM) -> str:
    """A machine's three tensors as text, which JSON can keep exactly."""
    buffer = io.BytesIO()
    torch.save([t.cpu() for t in model.parameters()], buffer)
    return buffer.getvalue().hex()


def unpacked(text: str, device: torch.device) -> RBM:
    """What `packed` made of a machine."""
    tensors = torch.load(io.BytesIO(bytes.fromhex(text)), weights_only=True)
    return RBM(*(t.to(device) for t in tensors))


def one_round(
    before: dict | None, number: int, recipe: dict, digits: ImageData, plan: dict, device
) -> dict:
    """Train on for one round; the learning rate falls to 0 over all rounds together."""
    seed_everything(plan["seed"] + number)
    images = digits.train_images.to(device)
    model = RBM.start(784, plan["hidden_dim"], images)
    if before is not None:
        model = unpacked(before["model"], device)
    rates = [plan["learning_rate"] * (1 - n / plan["rounds"]) for n in (number, number + 1)]
    start = time.perf_counter()
    options = {"learning_rate": rates[0], "last_rate": rates[1], "progress": False, **recipe}
    train_rbm(model, images, plan["epochs"], batch_size=plan["batch_size"], **options)
    seconds = time.perf_counter() - start + (before or {"seconds": 0.0})["seconds"]
    return {"seconds": round(seconds, 1), "model": packed(model)}


def scores(text: str, steps: int, digits: ImageData, plan: dict, device) -> dict:
    """log Z at this number of temperatures, and log p(x) of all test digits."""
    seed_everything(steps)
    model = unpacked(text, device)
    x = binarize(digits.test_images, seed=0).to(device)
    base = torch.logit(as_float(digits.train_images).mean(0), eps=0.01).to(device)
    betas = temperatures(steps)
    log_z, error, _ = annealed_log_partition(model, betas, plan["chains"], base, progress=False)
    log_p = -model.free_energy(x).double() - log_z
    found = {"log_z": log_z.item(), "log_z_error": error.item(), "log_p": log_p.mean().item()}
    found["log_p_error"] = (log_p.std() / math.sqrt(len(log_p))).item()
    if steps == plan["temperatures"][0]:
        few = x[: plan["raise_digits"]]
        below = annealed_log_prob(model, few, betas, 1, base, progress=False)
        gap = log_p[: len(few)] - below
        found |= {"first_digits": log_p[: len(few)].mean().item(), "raise": below.mean().item()}
        found["raise_lower_by_error"] = (gap.std() / math.sqrt(len(gap))).item()
    return found


def main() -> None:
    given = options(__doc__)
    device, digits = pick_device(), digits_for(given)
    plan, rows = QUICK if given.quick else PLAN, []
    pieces = Pieces("boltzmann_table", [plan, RECIPES], given)
    for name, recipe in RECIPES.items():
        state = None
        for number in range(plan["rounds"]):
            arguments = (state, number, recipe, digits, plan, device)
            state = pieces.get(f"{name}, round {number}", lambda a=arguments: one_round(*a))
            if state is None:
                break
        for steps in plan["temperatures"] if state else ():
            arguments = (state["model"], steps, digits, plan, device)
            found = pieces.get(f"{name}, {steps} temperatures", lambda a=arguments: scores(*a))
            if found:
                seconds = {"training_seconds": state["seconds"]}
                rows.append({"name": name, "temperatures": steps, **found, **seconds})
    if not pieces.finished():
        return
    print_table([{k: v for k, v in row.items() if k in rows[-1]} for row in rows])
    if given.quick:
        return
    save_result(
        "boltzmann_table",
        what="log p(x) in nats of the test digits, log Z by annealed importance sampling",
        plan=PLAN,
        recipes=RECIPES,
        published=PUBLISHED,
        digits=len(digits.test_images),
        rows=rows,
    )
    pieces.clear()


if __name__ == "__main__":
    main()
