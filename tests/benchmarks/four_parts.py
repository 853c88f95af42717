"""Which part of a VAE is weak? Decoder, encoder, posterior, prior: one cure each, one baseline.

    python tests/benchmarks/four_parts.py [--minutes 7.5] [--quick]

The baseline has 300 hidden units and 20 latents. A cure changes one part; all else is equal: the
pixels (drawn anew for every batch), epochs, batches, learning rate. Which cure stands for its part
was chosen by the ELBO of the last 10,000 training digits, which did not train then, with a seed
and a number of epochs of its own. Everything is scored on the same test digits, binarised once
with seed 0, and compared with the baseline of the same seed digit by digit: the standard error is
that of the mean difference. On one CPU core, beside other work: about an hour, in pieces.

What ails the baseline is measured as well (`diagnosis`):
- amortization gap: what each digit's ELBO gains when its own mean and log variance are refined;
- approximation gap: what the importance-sampled log p(x) is above the refined ELBO;
- marginal: KL(q(z) || p(z)) of the aggregate posterior, from above and from below.
"""

import itertools
import math

import torch
from record import Pieces, digits_for, options, print_table, save_result
from sklearn.mixture import GaussianMixture
from torch import Tensor

from course_utils.data import ImageData, binarize
from course_utils.distributions import LOG_2PI, kl_to_standard_normal, normal_log_prob
from course_utils.models import VAE, DeepVAE, FlowVAE, MixturePriorVAE, VampPriorVAE
from course_utils.objectives import log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import evaluate, fit

M, UNITS = 20, 300
CURES = {  # of each part, the candidates
    "baseline": {"one hidden layer, normal q, normal prior": lambda: VAE(M, UNITS)},
    "decoder": {
        "decoder of 2 hidden layers": lambda: DeepVAE(M, UNITS, 1, 2),
        "decoder of 3 hidden layers": lambda: DeepVAE(M, UNITS, 1, 3),
        "decoder of 2 with skips": lambda: DeepVAE(M, UNITS, 1, 2, skips=True),
        "decoder of 3 with skips": lambda: DeepVAE(M, UNITS, 1, 3, skips=True),
    },
    "encoder": {
        "encoder of 2 hidden layers": lambda: DeepVAE(M, UNITS, 2, 1),
        "encoder of 3 hidden layers": lambda: DeepVAE(M, UNITS, 3, 1),
        "encoder of 2 with skips": lambda: DeepVAE(M, UNITS, 2, 1, skips=True),
        "encoder of 3 with skips": lambda: DeepVAE(M, UNITS, 3, 1, skips=True),
    },
    "posterior": {
        "flow of 2 steps": lambda: FlowVAE(M, UNITS, steps=2),
        "flow of 4 steps": lambda: FlowVAE(M, UNITS, steps=4),
    },
    "marginal": {
        "mixture of 100 normals": lambda: MixturePriorVAE(M, UNITS, 100),
        "VampPrior of 100 images": lambda: VampPriorVAE(M, UNITS, 100),
    },
}
Candidate = tuple[str, str]  # a part, and the name of a cure
SEEDS, CHOICE_SEED = (0, 1, 2), 10
PLAN = {
    "epochs": 12,
    "batch_size": 200,
    "learning_rate": 1e-2,
    "choice_epochs": 5,  # of the candidates
    "held_out": 10_000,  # training digits that judge them, the last ones
    "elbo_draws": 10,  # of z for each digit
    "digits_log_p": 1_000,
    "samples": 500,
    "refining_steps": 400,
    "refining_rate": 0.03,  # of Adam, falling to 0
    "refined_draws": 100,
    "mixture": [30, 20_000],  # components, training digits: as in notebook 05
}
QUICK = {"epochs": 1, "choice_epochs": 1, "held_out": 200, "digits_log_p": 20, "samples": 20}
QUICK |= {"refining_steps": 20, "refined_draws": 5, "mixture": [5, 500]}


# --- training and scoring ------------------------------------------------------------------------


def train(candidate: Candidate, seed: int, images: Tensor, epochs: int, plan: dict) -> VAE:
    """A model of that seed, trained on images (N, 28, 28)."""
    part, name = candidate
    seed_everything(seed)
    model = CURES[part][name]().to(pick_device())
    model.start_at_mean(images)
    pair = images, images[:100]  # a few to score every epoch; nobody looks at these scores
    how = plan["batch_size"], plan["learning_rate"], "dynamic"
    fit(model, pair, epochs, *how, progress=False)
    return model.requires_grad_(False)


def held_out_elbo(candidate: Candidate, digits: ImageData, plan: dict) -> float:
    """What a candidate is chosen by."""
    images, judging = digits.train_images.tensor_split([-plan["held_out"]])
    model = train(candidate, CHOICE_SEED, images, plan["choice_epochs"], plan)
    return evaluate(model, binarize(judging, seed=0).to(pick_device()))["elbo"]


@torch.no_grad()
def active_units(model: VAE, x: Tensor, draws: int = 50) -> int:
    """Units whose posterior mean varies over the images by more than 0.01, for any kind of q.

    A mean over draws also varies by the luck of the draws; the covariance of two such means, from
    draws of their own, does not. Source: Burda et al. (2016), section 5.2.
    """
    one, other = (model.posterior_draws(x, draws)[0].mean(0) for _ in range(2))
    covariance = ((one - one.mean(0)) * (other - other.mean(0))).mean(0)
    return int((covariance > 0.01).sum())


@torch.no_grad()
def scores(model: VAE, x: Tensor, plan: dict) -> dict:
    """ELBO of every digit, log p(x) of the first ones, mean KL, active units."""
    seed_everything(0)
    elbo, kl = [], []
    for part in x.split(1_000):
        terms = [model.elbo_terms(part) for _ in range(plan["elbo_draws"])]
        log_lik_part, kl_part = (torch.stack(draws).mean(0) for draws in zip(*terms))
        elbo += (log_lik_part - kl_part).tolist()
        kl += kl_part.tolist()
    first = x[: plan["digits_log_p"]]
    log_p = log_likelihood(model, first, plan["samples"], progress=False).tolist()
    return {
        "elbo": [round(v, 4) for v in elbo],
        "log_p": [round(v, 4) for v in log_p],
        "kl": sum(kl) / len(kl),
        "active_units": active_units(model, first),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """The mean and its standard error."""
    return values.mean().item(), (values.std() / math.sqrt(len(values))).item()


def compared(found: dict, baseline: dict) -> dict:
    """Means with their errors, and the gains over the baseline with theirs, paired by digit."""
    row = {}
    for name in ("elbo", "log_p"):
        here, there = (torch.tensor(s[name], dtype=torch.float64) for s in (found, baseline))
        row[name], row[f"{name}_se"] = mean_and_error(here)
        row[f"gain_{name}"], row[f"gain_{name}_se"] = mean_and_error(here - there)
    return row | {name: found[name] for name in ("kl", "active_units")}


# --- what ails the baseline ----------------------------------------------------------------------


def refined(model: VAE, x: Tensor, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Mean and log variance (B, M) that raise each row's ELBO most, by Adam from the encoder's."""
    mu, log_var = (t.detach().clone().requires_grad_() for t in model.encode(x))
    optimizer = torch.optim.Adam([mu, log_var])
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        z = model.reparameterize(mu, log_var)
        elbo = model.log_prob_of(x, model.decode(z)) - kl_to_standard_normal(mu, log_var)
        (-elbo.sum()).backward()
        optimizer.step()
    return mu.detach(), log_var.detach()


@torch.no_grad()
def elbo_with(model: VAE, x: Tensor, mu: Tensor, log_var: Tensor, draws: int) -> Tensor:
    """The ELBO (B,) of a normal q that is given, averaged over draws; the same ones each time."""
    seed_everything(0)
    log_lik = torch.zeros_like(x[:, 0])
    for _ in range(draws):
        log_lik += model.log_prob_of(x, model.decode(model.reparameterize(mu, log_var))) / draws
    return log_lik - kl_to_standard_normal(mu, log_var)


@torch.no_grad()
def log_p_with(model: VAE, x: Tensor, mu: Tensor, log_var: Tensor, samples: int) -> Tensor:
    """Importance-sampled log p(x), (B,), by draws from a normal q that is given."""
    seed_everything(0)
    found = []
    for rows, m, v in zip(x.split(2), mu.split(2), log_var.split(2)):
        z = model.reparameterize(m.expand(samples, -1, -1), v.expand(samples, -1, -1))
        log_joint = model.log_prob_of(rows, model.decode(z)) + model.log_prior(z)
        found.append(torch.logsumexp(log_joint - normal_log_prob(z, m, v), 0))
    return torch.cat(found) - math.log(samples)


@torch.no_grad()
def aggregate_kl(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Terms (N,) whose mean is KL(q(z) || p(z)), and those of the information in the codes.

    As in notebook 05: the mean KL is information plus distance, and the information is the mean of
    log q(z_i|x_i) - log q(z_i), one draw each, where q(z) is the mean of these N images' q's.
    Information so measured is at most log N. With few images too little of it is seen, so the
    distance is, on average, an upper bound on that for all images there could be.
    """
    mu, log_var = (t.double() for t in model.encode(x))
    z = model.reparameterize(mu, log_var)
    precision = torch.exp(-log_var)
    constant = (mu.square() * precision + log_var + LOG_2PI).sum(1)
    log_q = torch.cat(  # log of the mean over j of q(z_i|x_j), by matrix products
        [
            torch.logsumexp(
                -0.5 * (part.square() @ precision.T - 2 * part @ (mu * precision).T + constant), 1
            )
            for part in z.split(1_000)
        ]
    ) - math.log(len(z))
    information = normal_log_prob(z, mu, log_var) - log_q
    return kl_to_standard_normal(mu, log_var) - information, information


@torch.no_grad()
def gain_of_a_mixture(model: VAE, train: Tensor, x: Tensor, components: int) -> Tensor:
    """log r(z) - log p(z), (N,), for a mixture r fitted to codes of training images.

    Its mean is KL(q(z) || p) - KL(q(z) || r): a lower bound on the distance, and the nats that a
    better prior gains at once, while the networks stay as they are. As in notebook 05.
    """
    z_train, z = (model.reparameterize(*model.encode(rows)).cpu().double() for rows in (train, x))
    mixture = GaussianMixture(components, max_iter=30, tol=0.01, random_state=0).fit(z_train)
    return torch.from_numpy(mixture.score_samples(z)) - model.log_prior(z)


def diagnosis(model: VAE, digits: ImageData, x: Tensor, plan: dict) -> dict:
    """The gaps of the first digits, and how far the aggregate posterior is from the prior."""
    seed_everything(0)
    first = x[: plan["digits_log_p"]]
    better = refined(model, first, plan["refining_steps"], plan["refining_rate"])
    elbo, elbo_refined = (
        elbo_with(model, first, *q, plan["refined_draws"]) for q in (model.encode(first), better)
    )
    log_p = log_p_with(model, first, *better, plan["samples"])
    by_encoder = log_p_with(model, first, *model.encode(first), plan["samples"])
    seed_everything(0)
    components, number = plan["mixture"]
    train = binarize(digits.train_images[:number], seed=0).to(x)
    distance, information = aggregate_kl(model, x)
    measured = {
        "log_p": log_p,
        "log_p_by_encoder": by_encoder,
        "elbo": elbo,
        "elbo_refined": elbo_refined,
        "amortization_gap": elbo_refined - elbo,
        "approximation_gap": log_p - elbo_refined,
        "marginal_kl": distance,
        "marginal_kl_at_least": gain_of_a_mixture(model, train, x, components),
        "information": information,
    }
    row = {"active_units": active_units(model, first), "marginal_kl_images": len(x)}
    for name, values in measured.items():
        row[name], row[f"{name}_se"] = mean_and_error(values.double())
    return row


# --- all of it -----------------------------------------------------------------------------------


def chosen_cures(tried: dict[Candidate, float]) -> dict[str, Candidate]:
    """The candidate of each part with the highest ELBO on the held-out digits."""
    return {
        part: max((c for c in tried if c[0] == part), key=lambda candidate: tried[candidate])
        for part in CURES
    }


def choices(tried: dict[Candidate, float]) -> list[dict]:
    """The candidates as the record holds them."""
    chosen = chosen_cures(tried).values()
    return [
        {"part": part, "name": name, "elbo": elbo, "chosen": (part, name) in chosen}
        for (part, name), elbo in tried.items()
    ]


def measure(candidate: Candidate, seed: int, digits: ImageData, x: Tensor, plan: dict) -> dict:
    """One model, trained and scored; the baseline is diagnosed as well."""
    model = train(candidate, seed, digits.train_images, plan["epochs"], plan)
    result = scores(model, x, plan)
    if candidate[0] == "baseline":
        result["diagnosis"] = {"seed": seed, **diagnosis(model, digits, x, plan)}
    return result


def main() -> None:
    given = options(__doc__)
    digits = digits_for(given)
    plan = PLAN | (QUICK if given.quick else {})
    seeds = SEEDS[:1] if given.quick else SEEDS
    x = binarize(digits.test_images, seed=0).to(pick_device())
    pieces, tried, found = Pieces("four_parts", plan, given), {}, {}
    for candidate in [(part, name) for part in CURES for name in CURES[part]]:
        tried[candidate] = pieces.get(
            f"choice: {candidate[1]}", lambda c=candidate: held_out_elbo(c, digits, plan)
        )
    if not pieces.finished():
        return
    chosen = chosen_cures(tried)
    for seed, part in itertools.product(seeds, chosen):
        found[part, seed] = pieces.get(
            f"{chosen[part][1]}, seed {seed}",
            lambda c=chosen[part], s=seed: measure(c, s, digits, x, plan),
        )
    if not pieces.finished():
        return
    rows = [
        {
            "part": part,
            "name": name,
            "parameters": found[part, seeds[0]]["parameters"],
            "runs": [
                {"seed": seed, **compared(found[part, seed], found["baseline", seed])}
                for seed in seeds
            ],
        }
        for part, name in chosen.values()
    ]
    ails = [found["baseline", seed]["diagnosis"] for seed in seeds]
    print_table([{"part": row["part"], **run} for row in rows for run in row["runs"]])
    print_table(ails)
    if given.quick:
        return
    save_result(
        "four_parts",
        what="nats per image, higher is better; gains over the baseline of the same seed, paired",
        plan=plan | {"latent_dim": M, "hidden_dim": UNITS, "binarize": "dynamic"},
        seeds=SEEDS,
        digits_elbo=len(x),
        digits_log_p=plan["digits_log_p"],
        samples=plan["samples"],
        pixels="dynamic binarisation, test digits drawn once with seed 0",
        choices={"seed": CHOICE_SEED, "epochs": plan["choice_epochs"], "rows": choices(tried)},
        diagnosis={"per seed": ails},
        rows=rows,
    )
    pieces.clear()


if __name__ == "__main__":
    main()
