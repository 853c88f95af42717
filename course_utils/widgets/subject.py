"""The model that a widget explores: what is asked of it, and what holds where it says nothing."""

from typing import Any

import torch
from torch import Tensor

from course_utils.data import as_float


class Subject:
    """A model as the widgets see it. It answers for itself: nobody asks which class it is of.

    | the model's       | for                                | where it has none               |
    |-------------------|------------------------------------|---------------------------------|
    | `latent_dim`      | the number of units                | an error                        |
    | `decode_mean(z)`  | the image of a code                | `decode(z)` gives it            |
    | `encode_mean(x)`  | the code of an image               | an error, if there are images   |
    | `unit_kl(x)`      | how much the encoder uses a unit   | units keep their own order      |
    | `has_prior`       | whether the codes' prior is N(0, I)| False: nothing is said of one   |
    | `outputs_logits`  | pixels are the sigmoid of `decode` | False: `decode` gives the image |

    Codes and images come and go on the CPU as float32, wherever the model computes.

    Args:
        least: the number of latent units that there must be.
    Raises:
        ValueError: for a model that cannot decode, or has too few units.
    """

    def __init__(self, model: Any, least: int):
        name, size = type(model).__name__, getattr(model, "latent_dim", None)
        if not any(callable(getattr(model, how, None)) for how in ("decode_mean", "decode")):
            raise ValueError(
                f"model: expected decode_mean(z) or decode(z), got {name}, which has neither"
            )
        if not isinstance(size, int) or size < least:
            raise ValueError(
                f"model: expected latent_dim of {least} or more, got {name} with latent_dim {size}"
            )
        self.model, self.name, self.latent_dim = model, name, size
        self.has_prior = bool(getattr(model, "has_prior", False))
        self.outputs_logits = bool(getattr(model, "outputs_logits", False))
        # Where the model computes, so that codes and images can follow it there.
        self._like = next(iter(getattr(model, "parameters", list)()), torch.zeros(()))

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Images (..., D) of codes (..., M)."""
        z = z.to(self._like)
        if callable(getattr(self.model, "decode_mean", None)):
            image = self.model.decode_mean(z)
        else:
            image = self.model.decode(z)
            image = torch.sigmoid(image) if self.outputs_logits else image
        return image.float().cpu()

    @torch.no_grad()
    def encode_mean(self, images: Tensor) -> Tensor:
        """Codes (N, M) of images (N, 28, 28) or (N, D).

        Raises:
            ValueError: for a model that cannot encode, or whose codes have another shape.
        """
        if not callable(getattr(self.model, "encode_mean", None)):
            raise ValueError(
                f"images: expected a model with encode_mean(x), the code of each image, "
                f"got {self.name} without it"
            )
        codes = self.model.encode_mean(as_float(images).to(self._like))
        expected, got = (len(images), self.latent_dim), getattr(codes, "shape", None)
        if got != expected:
            got = type(codes).__name__ if got is None else tuple(got)
            raise ValueError(f"model: expected encode_mean(x) of shape {expected}, got {got}")
        return codes.float().cpu()

    @torch.no_grad()
    def unit_kl(self, images: Tensor) -> Tensor | None:
        """Average KL (M,) of each unit, nats; None where the encoder knows no uncertainty."""
        if not callable(getattr(self.model, "unit_kl", None)):
            return None
        return self.model.unit_kl(as_float(images).to(self._like)).float().cpu()


def check_images(images: Tensor, labels: Any) -> None:
    """Raise ValueError unless there are images, and as many labels, if there are any."""
    if len(images) == 0:
        raise ValueError(f"images: expected at least one, got {tuple(images.shape)}")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"labels: expected {len(images)}, one per image, got {len(labels)}")
