"""What students might write for the exercises of notebook 07d; `answers` says how it is used."""

import numpy as np
import torch
from scipy.linalg import solve_discrete_lyapunov

RIGHT, WRONG = {}, {}


def shrunk_by_loop(groups, amount):
    rows = []
    for row in groups:
        norm = float(row.norm())
        rows.append(row * max(0.0, 1 - amount / norm) if norm else row)
    return torch.stack(rows)


def shrunk_in_numpy(groups, amount):
    v = groups.double().numpy()
    norm = np.linalg.norm(v, axis=1, keepdims=True)
    return v * np.maximum(norm - amount, 0) / np.maximum(norm, 1e-12)


def norm_of(v):
    return v.norm(dim=1, keepdim=True).clamp(min=1e-12)


RIGHT["shrink_groups"] = [
    lambda v, a: v * (1 - a / norm_of(v)).clamp(min=0),
    lambda v, a: torch.nn.functional.normalize(v, dim=1) * torch.relu(norm_of(v) - a),
    lambda v, a: torch.where(norm_of(v) > a, v - a * v / norm_of(v), torch.zeros_like(v)),
    shrunk_by_loop,
    shrunk_in_numpy,
]

WRONG["shrink_groups"] = {
    "has turned around": lambda v, a: v - a * v / norm_of(v),
    "each weight by itself": lambda v, a: torch.nn.functional.softshrink(v, a),
    "share one norm": lambda v, a: v * (1 - a / v.norm()).clamp(min=0),
    "A group is a row": lambda v, a: v * (1 - a / v.norm(dim=0).clamp(min=1e-12)).clamp(min=0),
    "Living groups must": lambda v, a: v * (norm_of(v) > a),
    "not *to* the amount": lambda v, a: v * (a / norm_of(v)).clamp(max=1),
    "is a root missing": lambda v, a: v * (1 - a / norm_of(v).square()).clamp(min=0),
    "the same share": lambda v, a: v * max(1 - a, 0),
    "new norm of each": lambda v, a: (v.norm(dim=1) - a).relu(),
    "factor of each": lambda v, a: (1 - a / norm_of(v)).relu(),
    "largest weight": lambda v, a: (
        v * (1 - a / v.abs().amax(1, keepdim=True).clamp(min=1e-12)).relu()
    ),
    "sum of the absolute": lambda v, a: (
        v * (1 - a / v.abs().sum(1, keepdim=True).clamp(min=1e-12)).relu()
    ),
    "must fall, not rise": lambda v, a: v * (1 + a / norm_of(v)),
}


def at_lag_zero(A, Q):
    return torch.from_numpy(solve_discrete_lyapunov(A.double().numpy(), Q.double().numpy()))


def by_repeating(A, Q):
    P = Q
    for _ in range(500):
        P = A @ P @ A.T + Q
    return A @ P


def by_stacking(A, Q):
    D = len(A)
    left = torch.eye(D * D, dtype=A.dtype) - torch.kron(A, A)
    return A @ torch.linalg.solve(left, Q.flatten()).view(D, D)


RIGHT["lag_one"] = [
    lambda A, Q: A.double() @ at_lag_zero(A, Q),
    lambda A, Q: A.double().numpy() @ at_lag_zero(A, Q).numpy(),
    by_repeating,
    by_stacking,
]

WRONG["lag_one"] = {
    "at lag 0. What": at_lag_zero,
    "Yours are transposed": lambda A, Q: at_lag_zero(A, Q) @ A.double().T,
    "noise alone": lambda A, Q: A @ Q,
    "One step of the sum": lambda A, Q: A @ (A @ Q @ A.T + Q),
    "That is lag 2": lambda A, Q: A.double() @ A.double() @ at_lag_zero(A, Q),
    "not added again": lambda A, Q: A.double() @ at_lag_zero(A, Q) + Q,
    "That is A P Aᵀ": lambda A, Q: A.double() @ at_lag_zero(A, Q) @ A.double().T,
    "in place of A": lambda A, Q: A.double() @ at_lag_zero(A.T, Q),
    "That is a correlation": lambda A, Q: (
        A.double()
        @ at_lag_zero(A, Q)
        / torch.outer(at_lag_zero(A, Q).diagonal(), at_lag_zero(A, Q).diagonal()).sqrt()
    ),
    "A stands on the left": lambda A, Q: at_lag_zero(A, Q) @ A.double(),
}
