"""Models and images for tests of the exported page, the page in a browser, and its pixels."""

import base64
import io
import json
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from course_utils.models import VAE, Autoencoder, ConvVAE, DeepVAE, LinearVAE, MixturePriorVAE
from course_utils.widgets import export_html
from course_utils.widgets.interface import LIMIT
from course_utils.widgets.page import PAGE_TOLERANCE

NEXT_FRAME = "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
# The clock by which the page tells one movement from the next stands still until it is set.
STILL_CLOCK = "window.clock = 0; performance.now = () => window.clock;"
PATIENCE = 120_000  # milliseconds: a limit, not a measurement
LABELS = torch.arange(60) % 10
HOSTILE = "</script><script>alert('{{data}}')</script> & \"<b>\" é"
MODELS = {
    "bernoulli": lambda: VAE(2, 40),
    "continuous bernoulli": lambda: VAE(5, 40, "continuous_bernoulli"),
    "gaussian": lambda: VAE(3, 40, "gaussian"),
    "linear": lambda: LinearVAE(4),
    "convolutional": lambda: ConvVAE(2, 6),
    "convolutional, gaussian": lambda: ConvVAE(3, 6, "gaussian"),
    "autoencoder": lambda: Autoencoder(2, 40),
    "one unit": lambda: VAE(1, 40),
    "deeper": lambda: DeepVAE(2, 40, 1, 2),
    "with tanh": lambda: DeepVAE(2, 40, 1, 2, activation="tanh"),
    "with a mixture as prior": lambda: MixturePriorVAE(2, 40, 5),
}


def lively(model, seed=0):
    """The model with larger weights: every pixel depends on the code."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            spread = 1.5 / weights[0].numel() ** 0.5 if weights.dim() > 1 else 0.3
            weights.copy_(spread * torch.randn(weights.shape, generator=generator))
    return model


def some_images(n=60):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=generator)


# --- the page without a browser ------------------------------------------------------------------


def content_of(path):
    """The model as the page holds it."""
    page = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'id="model">(.*?)</script>', page, re.DOTALL)[1])


def numbers(text, kind="<f2"):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), kind).astype(np.float32))


def decoded(content, z):
    """The page's decoder once more, with torch's own layers. An oracle for what is written."""
    x = z
    for layer in content["layers"]:
        if layer["kind"] == "linear":
            weight = numbers(layer["weight"]).view(layer["inputs"], layer["outputs"])
            x = x.flatten(1) @ weight + numbers(layer["bias"])
        elif layer["kind"] == "relu":
            x = x.relu()
        elif layer["kind"] == "tanh":
            x = x.tanh()
        else:
            channels, kernel = layer["channels"], layer["kernel"]
            weight = numbers(layer["weight"]).view(*channels, *kernel)
            x = x.reshape(-1, channels[0], *layer["from"])
            x = nn.functional.conv_transpose2d(
                x, weight, numbers(layer["bias"]), layer["stride"], layer["padding"]
            )
            assert list(x.shape[2:]) == layer["to"]
    x = x.flatten(1)
    return torch.sigmoid(x) if content["output"] == "sigmoid" else x.clamp(0, 1)


# --- the page in a browser -----------------------------------------------------------------------


@contextmanager
def open_file(browser, file):
    """A function that writes a model's page to `file` and opens it, with the network cut.

    At the end of the block nothing may have gone wrong, and nothing been asked for.
    """
    contexts, troubles, asked = [], [], []
    address = file.as_uri()

    def open_page(
        model, *images, size=(1280, 720), title="Latent explorer", still=False, **settings
    ):
        export_html(model, file, *images, title=title)
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, **settings)
        contexts.append(context)
        context.set_offline(True)
        context.route(lambda url: url != address, lambda route: route.abort())
        if still:
            context.add_init_script(STILL_CLOCK)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.goto(address)
        page.evaluate(NEXT_FRAME)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles
    assert asked and set(asked) <= {address, "data:,"}


def picture(page, canvas="decoded"):
    """The red channel of a canvas, (28, 28), or as many pixels as the map has."""
    url = page.evaluate("name => document.getElementById(name).toDataURL()", canvas)
    png = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    return torch.from_numpy(np.array(Image.open(io.BytesIO(png)).convert("RGB"))[..., 0]).float()


def z_of(page):
    page.evaluate(NEXT_FRAME)
    return page.evaluate("explorer.z")


@torch.no_grad()
def ink(model, z):
    """What the screen should show of a code, 0 to 255."""
    image = model.decode_mean(torch.tensor(z, dtype=torch.float32)).clamp(0, 1)
    return (255 * image).view(28, 28)


def on_white(image):
    return 255 - image * (255 - 16) / 255


def assert_shows(page, model):
    """The picture is the decoded code, up to half precision and rounding."""
    wanted = on_white(ink(model, z_of(page)))
    assert (picture(page) - wanted).abs().max() <= 255 * PAGE_TOLERANCE + 1


def place_on_pad(page, z):
    """Where on the page a code lies."""
    box = page.locator("#pad").bounding_box()
    inner = page.evaluate("document.getElementById('pad').clientWidth")
    edge = (box["width"] - inner) / 2
    x = box["x"] + edge + inner * (z[0] + LIMIT) / (2 * LIMIT)
    return x, box["y"] + edge + inner * (LIMIT - z[1]) / (2 * LIMIT)


def pixel_of_pad(page):
    return 2 * LIMIT / page.evaluate("document.getElementById('pad').clientWidth")


def marked(page):
    """The code under the marker's middle."""
    box, zero = page.locator("#marker").bounding_box(), place_on_pad(page, (0, 0))
    scale = pixel_of_pad(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return [(x - zero[0]) * scale, (zero[1] - y) * scale]
