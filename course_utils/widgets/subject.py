"""The model that a widget explores: what is asked of it, and what holds where it says nothing."""

import inspect
import math
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.arguments import count
from course_utils.data import as_float
from course_utils.widgets.given import brief, came

LOOKED_AT = 1_000  # parts of a model, at most, in the search for its modules
LIBRARIES = {"torch", "numpy", "course_utils", *sys.stdlib_module_names}  # classes hold none
_HOLDS_NONE = (str, bytes, int, float, complex, type(None), Tensor, np.ndarray, type, ModuleType)
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
        found = (t for m in modules_in(model) for t in [*m.parameters(), *m.buffers()])
        self._like = next((t for t in found if t.is_floating_point()), torch.zeros(()))
        middle = torch.zeros(1, self.latent_dim, dtype=torch.float32, device="cpu")
        self.pixels = self.decode(middle).shape[1]
        if math.isqrt(self.pixels) ** 2 != self.pixels:
            raise ValueError(f"model: expected square images, got {self.pixels} pixels")

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """The model in evaluation mode, without gradients; every module's mode is put back.

        Modes are set one by one, because a model's own `train` and `eval` may do more than that.
        """
        with _ONE_AT_A_TIME, torch.no_grad():
            found = modules_in(self.model)  # again: it may have got others since
            modes = {part: part.training for whole in found for part in whole.modules()}
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


def modules_in(model: Any) -> list[nn.Module]:
    """The modules that a model is, holds or calls, the nearest first.

    They may stand in lists, in other objects, behind methods, or on the page, where a function
    of the model reads them.
    """
    found, seen, rest = [], set(), [model]
    for part in rest:  # which grows meanwhile
        if id(part) in seen or isinstance(part, _HOLDS_NONE) or len(seen) > LOOKED_AT:
            continue
        seen.add(id(part))
        if isinstance(part, nn.Module):
            found.append(part)
        rest += _held_by(part)
    return found


def _held_by(part: Any) -> list:
    """What may be or hold a module in a part of a model."""
    if isinstance(part, Mapping):
        return list(islice(part.values(), LOOKED_AT))
    if isinstance(part, list | tuple | set | frozenset):
        return list(islice(part, LOOKED_AT))
    if isinstance(part, MethodType):
        return [part.__self__, part.__func__]
    if isinstance(part, partial):
        return [part.func, *part.args, *part.keywords.values()]
    if isinstance(part, FunctionType):
        with suppress(ValueError):  # one of its names stands for nothing yet
            read = inspect.getclosurevars(part)
            functions = FunctionType | BuiltinFunctionType
            page = [v for v in read.globals.values() if not isinstance(v, functions)]
            return [*read.nonlocals.values(), *page, *(part.__defaults__ or ())]
        return []
    own = [
        kind for kind in type(part).__mro__ if kind.__module__.partition(".")[0] not in LIBRARIES
    ]
    slots = [getattr(part, name, None) for kind in own for name in _slots(kind)]
    return [
        *getattr(part, "__dict__", {}).values(),
        *slots,
        *(value for kind in own for value in vars(kind).values()),
    ]


def _slots(kind: type) -> tuple:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _finite(numbers: Tensor, what: str) -> Tensor:
    """They as float32 on the CPU."""
    numbers = numbers.detach().float().cpu()
    if not numbers.isfinite().all():
        raise ValueError(f"model: expected finite numbers from {what}, got NaN or infinity")
    return numbers
