"""Small training runs, and what two of them must have in common."""

import copy
import itertools

import torch
from torch import nn

from course_utils.models import (
    VAE,
    Autoencoder,
    ConditionalVAE,
    ConvDecoderVAE,
    ConvVAE,
    DeepVAE,
    FlowPriorVAE,
    FlowVAE,
    LadderVAE,
    LinearVAE,
    MixturePriorVAE,
    TwoLayerVAE,
    VampPriorVAE,
)
from course_utils.training import History, fit

DIM, EPOCHS, STEPS = 9, 3, 3
CALLS_PER_EPOCH = STEPS + 2  # of the loss: every step, then the scores of train and test
PLAN = {"epochs": EPOCHS, "batch_size": 20, "binarize": "dynamic", "progress": False}


def grey_rows(n_train: int = 50, n_test: int = 30, dim: int = DIM):
    """A pair of uint8 tensors; their order in the stream makes them the same in every process."""
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randint(0, 256, (n, dim), generator=generator, dtype=torch.uint8)
        for n in (n_train, n_test)
    )


def small_vae(seed: int = 2) -> VAE:
    torch.manual_seed(seed)
    return VAE(2, 4, data_dim=DIM)


def run(model: nn.Module, stop_at: int | None = None, **changes) -> History:
    """The run that the tests interrupt and resume: 3 epochs of 3 steps, the last batch short.

    With `stop_at`, it is interrupted at that call of the loss: at a step, or at a score.
    """
    calls, terms = itertools.count(1), model.elbo_terms if stop_at else None

    def interrupted(x):
        if next(calls) == stop_at:
            raise KeyboardInterrupt
        return terms(x)

    if stop_at:
        model.elbo_terms = interrupted
    try:
        return fit(model, grey_rows(), **{**PLAN, **changes})
    finally:
        vars(model).pop("elbo_terms", None)


def weights_of(model: nn.Module) -> dict:
    return copy.deepcopy(model.state_dict())


def scores_of(history: History) -> list[dict]:
    """The rows without the clock, which no two runs share."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


def assert_same(found: dict, expected: dict) -> None:
    """Equal state dicts, bit for bit."""
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


SMALL_MODELS = {
    "Autoencoder": lambda: Autoencoder(2, 4, DIM),
    "VAE": lambda: VAE(2, 4, "gaussian", DIM),
    "LinearVAE": lambda: LinearVAE(3, DIM),
    "ConvVAE": lambda: ConvVAE(2, 2, "continuous_bernoulli"),
    "ConditionalVAE": lambda: ConditionalVAE(2, 4, "gaussian", DIM, 3),
    "DeepVAE": lambda: DeepVAE(2, 4, 3, 2, "gaussian", DIM, "tanh", True),
    "FlowVAE": lambda: FlowVAE(3, 4, 2, 5, data_dim=DIM),
    "MixturePriorVAE": lambda: MixturePriorVAE(2, 4, 6, "gaussian", DIM),
    "VampPriorVAE": lambda: VampPriorVAE(2, 4, 6, data_dim=DIM),
    "FlowPriorVAE": lambda: FlowPriorVAE(3, 4, 2, 5, data_dim=DIM),
    "ConvDecoderVAE": lambda: ConvDecoderVAE(2, 4, 3, "gaussian"),
    "TwoLayerVAE": lambda: TwoLayerVAE(2, 3, 4, "gaussian", DIM),
    "LadderVAE": lambda: LadderVAE(3, 2, 4, data_dim=DIM, warm_up=5),
}


def interrupted_run(call: int, **changes) -> tuple[VAE, History]:
    model = small_vae()
    torch.manual_seed(3)
    return model, run(model, stop_at=call, **changes)
