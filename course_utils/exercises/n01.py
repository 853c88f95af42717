"""Exercises of notebook 01: what is right, and what each likely slip gives."""

import torch

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import eye


@exercise(
    1,
    "from one component to all of them, for four spectra",
    lambda: [
        (torch.rand(D).sort(descending=True)[0] ** 2, M)
        for D, M in [(10, 1), (10, 4), (10, 10), (64, 9)]
    ],
)
def share_explained(eigenvalues, M):
    """The M-th of the cumulated shares."""
    share, twice = eigenvalues / sum(eigenvalues.tolist()), eigenvalues**2
    return share.cumsum(0)[M - 1], {
        "One component too many.": share[: M + 1].sum(),
        "One component too few.": share[: M - 1].sum(),
        "Those are the M *smallest*: here the largest come first.": share[-M:].sum(),
        "That is the share that is *lost*.": share[M:].sum(),
        "Eigenvalues of S are variances already: do not square.": twice[:M].sum() / twice.sum(),
        "Variances add up, not their roots.": share.sqrt()[:M].sum() / share.sqrt().sum(),
        "The share of the M-th component alone; add up the first M.": share[M - 1],
        "A variance, not yet a share of the total.": eigenvalues[:M].sum(),
        "A ratio of two means; compare sums.": share[:M].mean() * len(share),
        "Kept against lost; a share is kept against *all*.": share[:M].sum() / share[M:].sum(),
        "A share of the *number* of components; they differ in variance.": M / len(share),
    }


@exercise(
    1,
    "only missing pixels count, and without a hole the loss is 0",
    lambda: [
        (torch.rand(B, D), torch.rand(B, D), (torch.rand(B, D) < share).float())
        for B, D, share in [(5, 784, 0.8), (3, 20, 0.5), (1, 30, 0.1), (2, 20, 1.0)]
    ],
)
def hole_loss(x, x_hat, mask):
    """Squares picked where the mask is 0, image by image."""
    square = (x - x_hat) ** 2
    right = torch.stack([s[m == 0].sum() for s, m in zip(square, mask)])
    missing, difference = (1 - mask).sum(1), (1 - mask) * (x - x_hat)
    return right, {
        "You charge for the *observed* pixels: the mask is 1 there.": (square * mask).sum(1),
        "You charge for all pixels; the mask has no effect.": square.sum(1),
        "A mean over the pixels. The text asks for a sum.": right / x.shape[1],
        "One number for the whole batch; each image needs its own.": right.sum(),
        "Distances without the square.": ((1 - mask) * square.sqrt()).sum(1),
        "Summed over the images (axis 0) and not over the pixels.": ((1 - mask) * square).sum(0),
        "Only x is masked: x_hat still counts everywhere.": (
            ((1 - mask) * x - x_hat).square().sum(1)
        ),
        "Only x_hat is masked: where a pixel was seen, x itself is left over.": (
            (x - (1 - mask) * x_hat).square().sum(1)
        ),
        "Compare with the whole x: where pixels are missing, the masked image says 0.": (
            ((1 - mask) * x_hat).square().sum(1)
        ),
        "Square each difference first, then sum.": difference.sum(1).square(),
        "The square is missing: differences of opposite signs cancel.": difference.sum(1),
        "Not per missing pixel: the text asks for a sum.": (
            right / missing if missing.all() else None  # 0 / 0, unless that is prevented
        ),
    }


@exercise(
    1,
    "with this c the mean of x - WVx - c is zero, for W and V of three shapes",
    lambda: [
        (torch.randn(D, M), torch.randn(M, D), torch.randn(D)) for D, M in [(7, 2), (5, 1), (4, 4)]
    ],
    dtype=torch.float64,
)
def best_bias(W, V, x_bar):
    """The mean of x − WVx over data with the given mean."""
    x = x_bar + torch.cat([3 * eye(len(W)), -3 * eye(len(W))])  # any data with this mean
    kept, best = W @ V @ x_bar, W @ torch.linalg.pinv(W) @ x_bar
    return (x - x @ (W @ V).T).mean(0), {
        "Without a code that would be right; but WV, too, acts on the mean.": x_bar,
        "What the code makes of the mean is taken away; now put the mean back.": -kept,
        "c is what WV *leaves* of the mean, not what it keeps.": kept,
        "A sign: c is added to WVx. Where WVx is too large, c must be smaller.": x_bar + kept,
        "Without a bias: right for centred data only.": 0 * x_bar,
        "That is the transpose of WV. Needed is W times (V times x_bar).": x_bar - x_bar @ W @ V,
        "V is given, and need not be the transpose of W.": x_bar - W @ W.T @ x_bar,
        "V is given, and need not be the best one for W.": x_bar - best,
    }


@exercise(
    1,
    "the least squares codes, for oblique and for square W",
    lambda: [(torch.randn(D, M),) for D, M in [(7, 3), (9, 1), (4, 4)]],
    dtype=torch.float64,
)
def best_encoder(W):
    """The pseudo-inverse of W."""
    V = torch.linalg.pinv(W)  # from a singular value decomposition
    return V, {
        "W^T alone is enough only if the columns of W are orthonormal.": W.T,
        "The inverse is missing: V solves (W^T W) V = W^T.": W.T @ W @ W.T,
        "Scaled columns are enough only if they are orthogonal.": W.T / (W**2).sum(0)[:, None],
        "The wrong way round: V takes x (D,) to z (M,).": V.T,
        "That is the projection WV; only V is asked for.": W @ V,
        "1 / ... and ** -1 work entry by entry, not on the matrix.": 1 / (W.T @ W) @ W.T,
        "Dividing by one number is enough only if W has one column.": W.T / (W**2).sum(),
        "You add something to W^T W; here only the error counts.": (
            torch.linalg.inv(W.T @ W + eye(W.shape[1])) @ W.T
        ),
    }


@exercise(
    1,
    "G from the eigenvectors of S, and the error of this G added up from its two terms",
    lambda: [
        (torch.cov(torch.randn(D, 3 * D)), sigma) for D, sigma in [(6, 0.5), (4, 2.0), (9, 0.3)]
    ],
    parts=("G", "error"),
    dtype=torch.float64,
)
def linear_denoiser(S, sigma):
    """G in the eigenvectors of S, and what it blurs away plus the noise that it lets pass."""
    values, U = torch.linalg.eigh(S)
    G, too_plain = (U @ (values / (values + s)).diag() @ U.T for s in (sigma**2, sigma))
    lost, noise = eye(len(S)) - G, sigma**2 * (G**2).sum()
    blur = (lost @ S @ lost.T).trace()
    return (G, blur + noise), {
        "G: the noise has the variance sigma squared.": (too_plain, None),
        "G: the inverse is there; what does it multiply?": (lost / sigma**2, None),
        "G: that is what is taken away, I - G.": (lost, None),
        "G: the noise of different pixels is independent: add to the diagonal only.": (
            S @ torch.linalg.inv(S + sigma**2),
            None,
        ),
        "G: S / ... divides entry by entry; a matrix inverse is meant.": (
            S / (S + sigma**2 * eye(len(S))),
            None,
        ),
        "G: the other matrix is to be inverted.": (
            eye(len(S)) + sigma**2 * torch.linalg.inv(S),
            None,
        ),
        "error: only the noise that passes G; what G blurs away of x is missing.": (None, noise),
        "error: only what G blurs away; the noise that passes G is missing.": (None, blur),
        "error: the trace needs a factor: without noise there is no error.": (None, G.trace()),
        "error: sigma, where its square belongs.": (None, sigma * G.trace()),
        "error: a trace adds the diagonal, not all entries.": (None, sigma**2 * G.sum()),
    }
