"""Small VAEs of every kind whose q or prior may be of any form, and the plane of their codes."""

import itertools
import math

import torch

from course_utils.models import (
    VAE,
    DeepVAE,
    FlowPriorVAE,
    FlowVAE,
    LadderVAE,
    MixturePriorVAE,
    TwoLayerVAE,
    VampPriorVAE,
)

PIXELS = 5
PARTS = {
    "deep": lambda: DeepVAE(2, 6, 2, 3, data_dim=PIXELS),
    "deep with skips": lambda: DeepVAE(2, 6, 3, 2, data_dim=PIXELS, skips=True),
    "flow": lambda: FlowVAE(2, 6, 2, 7, data_dim=PIXELS),
    "flow of one step": lambda: FlowVAE(2, 6, 1, 7, data_dim=PIXELS),
    "mixture prior": lambda: MixturePriorVAE(2, 6, 3, data_dim=PIXELS),
    "VampPrior": lambda: VampPriorVAE(2, 6, 4, data_dim=PIXELS),
    "flow prior": lambda: FlowPriorVAE(2, 6, 3, 8, data_dim=PIXELS),
}
LAYERED = {
    "two layers": lambda: TwoLayerVAE(1, 1, 6, data_dim=PIXELS),
    "ladder": lambda: LadderVAE(1, 1, 6, data_dim=PIXELS),
    "two layers, wider": lambda: TwoLayerVAE(3, 2, 6, data_dim=PIXELS),
    "ladder, wider": lambda: LadderVAE(3, 2, 6, data_dim=PIXELS),
}


def lively(build) -> VAE:
    """Weights so large that every part matters; q is wide, so that importance weights behave."""
    model = build().double().requires_grad_(False)
    for name, weights in model.named_parameters():
        if not ("encoder" in name or name.startswith("evidence")):
            weights.copy_(torch.randn_like(weights) * (0.7 if "flow" in name else 0.8))
    if isinstance(model, TwoLayerVAE):
        lower, upper = model.sizes
        model.prior[-1].weight.mul_(0.3)
        model.upper_encoder[-1].bias[upper:] = 0.5
        below = model.evidence if isinstance(model, LadderVAE) else model.encoder[-1]
        below.bias[lower:] = 1.0
    else:
        model.encoder[-1].bias[2:4] = 0.4
    return model


def some_images(n: int = 3) -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=PIXELS)))[3 : 3 + n].double()


def grid(n: int = 401, end: float = 12.0) -> tuple[torch.Tensor, float]:
    """Codes (G, 1, 2) that cover the plane, and the logarithm of the area of each."""
    ticks = torch.linspace(-end, end, n, dtype=torch.float64)
    return torch.cartesian_prod(ticks, ticks)[:, None], 2 * math.log(ticks[1] - ticks[0])


def on_the_grid(model: VAE, x: torch.Tensor):
    """log p(x, z), log q(z|x), both (G, B), and the log area."""
    z, log_area = grid()
    z = z.expand(-1, len(x), -1)
    log_joint = model.log_prior(z) + model.log_prob_of(x, model.decode(z))
    return log_joint, model.log_posterior(z, x), log_area
