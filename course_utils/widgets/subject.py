"""The model that a widget explores: what is asked of it, and what holds where it says nothing."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.arguments import count
from course_utils.data import as_float
from course_utils.widgets.given import brief, came

_ONE_AT_A_TIME = threading.RLock()  # a kernel may answer widgets in a second thread


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

    Its x are rows of pixels (N, D) in [0, 1], its z rows of codes (N, M). Both come and go on the
    CPU as float32, wherever the model computes. While it computes, it is in evaluation mode: one
    code has one image, whatever dropout and batch normalisation do in training.

    Args:
        least: the number of latent units that there must be.
    Attributes:
        pixels: D, of an image that it decodes.
    Raises:
        ValueError: for a model that cannot decode, or has too few units.
    """

    def __init__(self, model: Any, least: int):
        name = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        if not any(callable(getattr(model, how, None)) for how in ("decode_mean", "decode")):
            raise ValueError(
                f"model: expected decode_mean(z) or decode(z), got {name}, which has neither"
            )
        size = getattr(model, "latent_dim", None)
        try:
            self.latent_dim = count("latent_dim", size, least)
        except ValueError:
            raise ValueError(
                f"model: expected latent_dim of {least} or more, got {name} "
                f"with latent_dim {brief(size)}"
            ) from None
        self.model, self.name = model, name
        self.has_prior = bool(getattr(model, "has_prior", False))
        self.outputs_logits = bool(getattr(model, "outputs_logits", False))
        # Where the model computes, so that codes and images can follow it there. One without
        # weights that can be found computes as its reader does: in the default type.
        found = (t for m in self._modules() for t in [*m.parameters(), *m.buffers()])
        self._like = next((t for t in found if t.is_floating_point()), torch.zeros(()))
        middle = torch.zeros(1, self.latent_dim, dtype=torch.float32, device="cpu")
        self.pixels = self.decode(middle).shape[1]
        if math.isqrt(self.pixels) ** 2 != self.pixels:
            raise ValueError(f"model: expected square images, got {self.pixels} pixels")

    def _modules(self) -> list[nn.Module]:
        """The model, or what it holds where it is no module itself: modules, or methods of one."""
        held = [self.model, *getattr(self.model, "__dict__", {}).values()]
        owners = [getattr(part, "__self__", None) for part in held]
        return [part for part in held + owners if isinstance(part, nn.Module)]

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """The model in evaluation mode, without gradients; every module's mode is put back.

        Modes are set one by one, because a model's own `train` and `eval` may do more than that.
        """
        with _ONE_AT_A_TIME, torch.no_grad():
            modes = {part: part.training for whole in self._modules() for part in whole.modules()}
            try:
                for part in modes:
                    part.training = False
                yield
            finally:
                for part, mode in modes.items():
                    part.training = mode

    def _ask(self, method: str, rows: Tensor) -> Any:
        """What a method of the model says; its own errors also say what it was given."""
        with self._at_rest():
            try:
                return getattr(self.model, method)(rows.to(self._like))
            except Exception as error:
                error.add_note(f"{method} of {self.name} was given rows {tuple(rows.shape)}")
                raise

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, D) of codes (N, M).

        Raises:
            ValueError: for anything but a finite image of each code.
        """
        method = "decode_mean" if callable(getattr(self.model, "decode_mean", None)) else "decode"
        image = self._ask(method, z)
        if not isinstance(image, Tensor) or image.dim() < 2 or len(image) != len(z):
            raise ValueError(
                f"model: expected {method}(z) of shape ({len(z)}, D), got {came(image)}"
            )
        if self.outputs_logits and method == "decode":
            image = torch.sigmoid(image)
        return _finite(image.flatten(1), f"{method}(z)")

    def encode_mean(self, images: Tensor) -> Tensor:
        """Codes (N, M) of images (N, 28, 28) or (N, D).

        Raises:
            ValueError: for a model that cannot encode, or whose codes have another shape, and for
                images of another size than it decodes.
        """
        if not callable(getattr(self.model, "encode_mean", None)):
            raise ValueError(
                f"images: expected a model with encode_mean(x), the code of each image, "
                f"got {self.name} without it"
            )
        return self._of_images("encode_mean", images, (len(images), self.latent_dim))

    def unit_kl(self, images: Tensor) -> Tensor | None:
        """Average KL (M,) of each unit, nats; None where the encoder knows no uncertainty."""
        if not callable(getattr(self.model, "unit_kl", None)):
            return None
        return self._of_images("unit_kl", images, (self.latent_dim,))

    def _of_images(self, method: str, images: Tensor, shape: tuple[int, ...]) -> Tensor:
        """What a method of the model says of images, if it has the right shape and is finite."""
        x = as_float(images)
        if x.shape[1] != self.pixels:
            raise ValueError(
                f"images: expected {self.pixels} pixels each, as {self.name} decodes, "
                f"got {x.shape[1]}"
            )
        said = self._ask(method, x)
        if not isinstance(said, Tensor) or said.shape != shape:
            raise ValueError(f"model: expected {method}(x) of shape {shape}, got {came(said)}")
        return _finite(said, f"{method}(x)")


def _finite(numbers: Tensor, what: str) -> Tensor:
    """They as float32 on the CPU."""
    numbers = numbers.detach().float().cpu()
    if not numbers.isfinite().all():
        raise ValueError(f"model: expected finite numbers from {what}, got NaN or infinity")
    return numbers
