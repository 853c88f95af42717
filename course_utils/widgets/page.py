"""The explorer as one HTML file that needs no kernel and no network."""

import base64
import copy
import html
import itertools
import json
import math
import os
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from course_utils.arguments import described
from course_utils.data import ImageData, as_float
from course_utils.files import file_to_write, write_whole
from course_utils.session import PALETTE
from course_utils.widgets.given import classes, images_and_labels
from course_utils.widgets.interface import CODED, SHARED
from course_utils.widgets.subject import Subject

SCRIPTS = ("model.js", "painting.js", "explorer.js")  # each uses those before it
LARGEST_PAGE = 2_000_000  # bytes
SLIDERS_IN_FRONT = 20  # on the page, in two columns
EXAMPLES = 10  # test images that travel with it
PAGE_TOLERANCE = 1e-2  # of the page's pixels against `decode_mean`
# Ten classes need ten colours: Okabe and Ito's without grey, and three of Paul Tol's. On dark
# paper black is white, and dark ones are lighter. Digits are drawn as digits: nobody needs to
# tell all ten colours apart.
_CLASS_COLOURS = [*PALETTE[:7], "#882255", "#999933", "#332288"]
_ON_DARK = {
    "#0072B2": "#3D9BE9",
    "#000000": "#FFFFFF",
    "#882255": "#F0629A",
    "#999933": "#DDCC77",
    "#332288": "#A99BFF",
}

_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)


def _as_base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _halves(values: Tensor) -> str:
    with np.errstate(over="ignore"):
        halved = values.detach().cpu().float().numpy().astype("<f2")
    if not np.isfinite(halved).all():
        raise ValueError("model: expected finite numbers up to 65,504, got larger ones or NaN")
    return _as_base64(halved)


def _as_computed(decoder: nn.Module) -> list[nn.Module]:
    """The layers of a decoder in evaluation mode, with only those that compute: dropout has gone,
    and batch normalisation, now one factor and one term for each unit, is in the layer before it.
    """
    layers: list[nn.Module] = []
    for layer in decoder if isinstance(decoder, nn.Sequential) else [decoder]:
        last = layers[-1] if layers else None
        transposed = isinstance(last, nn.ConvTranspose2d)
        normal = nn.BatchNorm2d if transposed else nn.BatchNorm1d
        if isinstance(layer, nn.Sequential):
            layers += _as_computed(layer)
        elif (
            (isinstance(last, nn.Linear) or (transposed and last.groups == 1))
            and isinstance(layer, normal)
            and layer.running_mean is not None
        ):
            layers[-1] = fuse_conv_bn_eval(last, layer, transposed)
        elif not isinstance(layer, _IDLE):
            layers.append(layer)
    return layers


def _page_layers(decoder: list[nn.Module], latent_dim: int) -> list[dict[str, Any]]:
    """The layers as the page reads them, weights in half precision.

    Raises:
        ValueError: for a layer that explorer.js does not know.
    """
    layers: list[dict[str, Any]] = []
    shape: tuple[int, ...] = (latent_dim,)  # of what goes into the next layer
    for layer in decoder:
        if isinstance(layer, nn.Linear) and shape == (layer.in_features,):
            weight, bias = layer.weight, layer.bias
            bias = torch.zeros(layer.out_features) if bias is None else bias
            sizes = {"inputs": layer.in_features, "outputs": layer.out_features}
            # By rows of inputs: the page skips an input that is zero.
            weights = {"weight": _halves(weight.T.contiguous()), "bias": _halves(bias)}
            layers.append({"kind": "linear", **sizes, **weights})
            shape = (layer.out_features,)
        elif isinstance(layer, nn.ReLU):
            layers.append({"kind": "relu"})
        elif isinstance(layer, nn.Tanh):
            layers.append({"kind": "tanh"})
        elif isinstance(layer, nn.Unflatten):
            shape = tuple(layer.unflattened_size)
        elif isinstance(layer, nn.Flatten):
            shape = (math.prod(shape),)
        elif isinstance(layer, nn.ConvTranspose2d) and len(shape) == 3 and layer.groups == 1:
            layers.append(_transposed(layer, shape))
            shape = (layer.out_channels, *layers[-1]["to"])
        else:
            raise ValueError(
                "decoder: expected Linear, ReLU, Tanh, Unflatten, Flatten and ConvTranspose2d "
                f"layers, as in models.VAE and models.ConvVAE, got {_named(layer)}"
            )
    return layers


def _transposed(layer: nn.ConvTranspose2d, shape: tuple[int, ...]) -> dict[str, Any]:
    """A transposed convolution of images (channels, rows, columns)."""
    if layer.dilation != (1, 1):
        raise ValueError(f"decoder: expected dilation 1, got {_named(layer)}")
    with torch.no_grad():
        to = layer(torch.zeros(1, *shape).to(layer.weight)).shape[2:]
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    return {
        "kind": "transposed",
        "channels": [layer.in_channels, layer.out_channels],
        "from": shape[1:],
        "to": to,
        "kernel": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "weight": _halves(layer.weight),
        "bias": _halves(bias),
    }


def _named(layer: nn.Module) -> str:
    """A layer in a message: one that holds others by its name alone."""
    return type(layer).__name__ if list(layer.children()) else repr(layer)[:100]


@torch.no_grad()
def _check_page(subject: Subject, layers: list[nn.Module], z: Tensor) -> None:
    """Raise unless the layers in half precision, and nothing else, make the model's images."""
    output = copy.deepcopy(nn.Sequential(*layers)).cpu().half().float()(z).flatten(1)
    page = torch.sigmoid(output) if subject.outputs_logits else output.clamp(0, 1)
    wanted = subject.decode(z).clamp(0, 1)
    error = (page - wanted).abs().max().item() if page.shape == wanted.shape else math.inf
    if not error <= PAGE_TOLERANCE:  # not: catches NaN too
        then = "and a sigmoid, as outputs_logits says" * subject.outputs_logits
        raise ValueError(
            "model: expected decode_mean(z) to be the decoder's layers "
            f"{then or 'alone, as it has no outputs_logits'}, in half precision; "
            f"the pixels are {error:.2g} apart"
        )


def _in_colour(kinds: list[str]) -> list[dict[str, str]]:
    """The classes as the page shows them, each with its colours."""
    if len(kinds) > 256:
        raise ValueError(f"labels: expected at most 256 classes, got {len(kinds)}")
    shown = []
    for name, colour in zip(kinds, itertools.cycle(_CLASS_COLOURS)):
        colours = {"light": colour, "dark": _ON_DARK.get(colour, colour)}
        shown.append({"name": name, "mark": name if len(name) == 1 else "", **colours})
    return shown


def _page_images(subject: Subject, images: Tensor, labels: list[str] | None) -> dict[str, Any]:
    """What the images add to the page: codes, average KL, and some of them to encode."""
    x, codes = as_float(images[:CODED]), subject.encode_mean(images[:CODED])
    part: dict[str, Any] = {}
    kl = subject.unit_kl(images[:CODED])
    if kl is not None:
        part |= {"kl": kl.tolist(), "order": kl.argsort(descending=True).tolist()}
    centre, scale = torch.zeros_like(codes[0]), torch.ones_like(codes[0])
    if not subject.has_prior:  # to place the code by
        centre, scale = codes.mean(0), codes.std(0, correction=0).clamp_min(1e-6)
        part |= {"centre": centre.tolist(), "scale": scale.tolist()}
    number = [0] * len(x)
    if labels is not None:
        kinds, number = classes(labels[:CODED])
        part["classes"] = _in_colour(kinds)
    if subject.latent_dim == 2:  # there is a map for them
        label = _as_base64(np.array(number, np.uint8))
        part["codes"] = {"at": _halves((codes - centre) / scale), "label": label}
    chosen = list(range(len(x)))[:EXAMPLES]
    if labels is not None:  # one of each class, as far as they go
        firsts = [number.index(k) for k in range(len(part["classes"]))]
        chosen = (firsts + [n for n in chosen if n not in firsts])[:EXAMPLES]
    part["images"] = [
        {
            "pixels": _as_base64((255 * x[n]).round().to(torch.uint8).numpy()),
            "label": None if labels is None else part["classes"][number[n]]["name"],
            "code": codes[n].tolist(),
        }
        for n in chosen
    ]
    return part


def _page_model(model: Any, images: Tensor | None, labels: list[str] | None) -> dict[str, Any]:
    """All that the page knows of the model."""
    subject, decoder = Subject(model, least=1), getattr(model, "decoder", None)
    if not isinstance(decoder, nn.Module):
        raise ValueError(
            "model: expected the layers of its decoder in `decoder`, as models.VAE has them, "
            f"got {subject.name} without them"
        )
    size = subject.latent_dim
    computed = _as_computed(copy.deepcopy(decoder).eval())
    layers = _page_layers(computed, size)
    content = {
        **SHARED,
        "in_front": SLIDERS_IN_FRONT,
        "latents": size,
        "side": math.isqrt(subject.pixels),
        "output": "sigmoid" if subject.outputs_logits else "clamp",
        "layers": layers,
        "prior": subject.has_prior,
        "centre": [0.0] * size,
        "scale": [1.0] * size,
        "kl": None,
        "order": list(range(size)),
        "images": [],
        "classes": [{"name": "", "mark": "", "light": PALETTE[0], "dark": PALETTE[5]}],
        "codes": None,
    }
    if images is not None:
        content |= _page_images(subject, images, labels)
    own = torch.Generator("cpu").manual_seed(0)
    draws = torch.randn(64, size, generator=own, dtype=torch.float32, device="cpu")
    centre, scale = (draws.new_tensor(content[name]) for name in ("centre", "scale"))
    _check_page(subject, computed, centre + scale * draws)
    return content


def _shipped(name: str) -> str:
    """The text of a file beside this one."""
    return resources.files("course_utils.widgets").joinpath(name).read_text(encoding="utf-8")


def export_html(
    model: Any,
    path: str | os.PathLike,
    images: ImageData | Tensor | np.ndarray | None = None,
    labels: Sequence | Tensor | np.ndarray | None = None,
    title: str = "Latent explorer",
) -> Path:
    """Write the explorer as one HTML file that needs no kernel and no network.

    The decoder's weights travel inside in half precision, and the page computes the images. Two
    latent units become a map to press and drag on; more become sliders, ordered by average KL.
    Mouse, touch and keyboard. Introduced in notebook 06.

    Args:
        model: `VAE`, `LinearVAE`, `ConvVAE`, `Autoencoder`, or one like them, of one unit or more:
            as for `LatentTraversal`, and in `decoder` the layers that make `decode_mean(z)`,
            followed by a sigmoid where `outputs_logits` is true. They may be Linear, ReLU, Tanh,
            Unflatten, Flatten and ConvTranspose2d, with batch normalisation right after a layer
            that has weights, and dropout: the page computes as the model in evaluation mode.
        path: the file, in a folder that exists. Written whole or not at all.
        images: as for `LatentTraversal`. The first 1,000 say how much each unit is used, and are
            the codes on the map; ten travel with the page, to be encoded.
        labels: N numbers or names of classes, which choose the ten and colour the codes.
        title: heading of the page.
    Returns:
        The path.
    Raises:
        FileNotFoundError: when the folder does not exist.
        ValueError: for a model that the page cannot compute, or labels that do not fit; and when
            the page would have more than 2 MB.
        OSError: when the file cannot be written; an older file of that name is then untouched.
    """
    path = file_to_write("path", path)
    if not isinstance(title, str):
        raise ValueError(f"title: expected text, got {described(title)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: expected an existing folder, got {path.parent}")
    content = _page_model(model, *images_and_labels(images, labels))
    data = json.dumps(content, allow_nan=False)
    parts = {
        "title": html.escape(title),
        "data": data.replace("<", "\\u003c"),  # no label can close the script
        "script": "".join(map(_shipped, SCRIPTS)),
    }
    # In one pass: a title that holds another place's name stays what it is.
    template = _shipped("explorer.html")
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template).encode("utf-8")
    if len(page) > LARGEST_PAGE:
        weights = sum(p.numel() for p in model.decoder.parameters())
        raise ValueError(
            f"page: expected at most {LARGEST_PAGE / 1e6:g} MB, got {len(page) / 1e6:.1f} MB: "
            f"the decoder has {weights:,} weights"
        )
    write_whole(path, page)
    return path
