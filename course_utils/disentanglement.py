"""What codes tell of known factors: mutual information and its gap. Introduced in notebook 06."""

import torch
from torch import Tensor

from course_utils.arguments import count


def _numbered(values: Tensor, bins: int) -> Tensor:
    """Whole numbers from 0 for (N,) values: integers as they are, floats by quantile bin."""
    if not values.is_floating_point():
        return values.unique(return_inverse=True)[1]
    inner = torch.linspace(0, 1, bins + 1, dtype=values.dtype, device=values.device)[1:-1]
    return torch.bucketize(values.contiguous(), values.quantile(inner))


def _entropy(counts: Tensor) -> Tensor:
    """Entropy in nats of each row of counts, (..., n) -> (...)."""
    p = counts.double() / counts.sum(-1, keepdim=True)
    return -torch.special.xlogy(p, p).sum(-1)


def mutual_information(codes: Tensor, factor: Tensor, bins: int = 20) -> Tensor:
    r"""What each latent unit tells of a factor, from a table of counts. Introduced in notebook 06.

    $$I(z_m; v) = H(z_m) + H(v) - H(z_m, v)$$

    Numbers with a fraction are first put into `bins` bins of equally many rows. Binning hides
    some information, and never adds any; the finite number of rows N adds about
    (bins - 1)^2 / (2 N) nats even where there is none (Miller 1955).

    Args:
        codes: (N, M), draws from q(z|x): the means alone would let a dead unit speak, whose
            faint trace of x is drowned by its noise. factor: (N,), a class where it is integer.
        bins: of each unit, and of a factor that is no class.
    Returns:
        (M,), nats, float64, never negative but for rounding.
    Raises:
        ValueError: if the shapes are not those above, or for fewer than 2 bins.

    >>> factor = torch.arange(4).repeat(100)  # log 4 nats, of which the first unit tells all
    >>> codes = torch.stack([factor.float(), torch.zeros(400)], dim=1)
    >>> mutual_information(codes, factor).exp().round(decimals=3)
    tensor([4., 1.], dtype=torch.float64)
    """
    if codes.dim() != 2 or factor.shape != codes.shape[:1]:
        raise ValueError(
            f"expected codes (N, M) and factor (N,), "
            f"got {tuple(codes.shape)} and {tuple(factor.shape)}"
        )
    bins = count("bins", bins, least=2)
    v = _numbered(factor, bins)
    n = int(v.max()) + 1
    tables = torch.stack(
        [
            torch.bincount(_numbered(z, bins) * n + v, minlength=bins * n).view(bins, n)
            for z in codes.unbind(1)
        ]
    )  # (M, bins, n)
    return _entropy(tables.sum(2)) + _entropy(tables.sum(1)) - _entropy(tables.flatten(1))


def mutual_information_gap(codes: Tensor, factor: Tensor, bins: int = 20) -> float:
    r"""By how much the best unit for a factor beats the second best. Introduced in notebook 06.

    $$\mathrm{MIG}(v) = \frac{I(z_{(1)}; v) - I(z_{(2)}; v)}{H(v)}, \qquad
      I(z_{(1)}; v) \ge I(z_{(2)}; v) \ge \dots$$

    1: one unit follows the factor, and no other unit knows of it. 0: two units know equally much.

    Args:
        codes: (N, M) with M >= 2. factor: (N,). bins: all as in `mutual_information`.
    Raises:
        ValueError: as `mutual_information`; for M < 2; for a factor that is constant.
    Source: Chen, Li, Grosse and Duvenaud (2018), section 4, for one factor; theirs is the mean.
    """
    if codes.dim() == 2 and codes.shape[1] < 2:
        raise ValueError(f"codes: expected two units or more, got {codes.shape[1]}")
    best, second = mutual_information(codes, factor, bins).topk(2).values
    entropy = _entropy(_numbered(factor, bins).bincount())
    if entropy == 0:
        raise ValueError("factor: expected values that vary, got a constant")
    return ((best - second) / entropy).item()
