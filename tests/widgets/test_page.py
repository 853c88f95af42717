"""The explorer as one page, without a browser: what `export_html` writes, and what it refuses."""

import html
import re

import numpy as np
import pytest
import torch
from helpers.explorers import Stranger
from helpers.pages import (
    HOSTILE,
    LABELS,
    MODELS,
    content_of,
    decoded,
    lively,
    numbers,
    some_images,
)
from torch import nn

from course_utils.models import VAE, Autoencoder
from course_utils.session import PALETTE
from course_utils.training import load_checkpoint
from course_utils.widgets import LatentPlane, LatentTraversal, export_html
from course_utils.widgets.page import LARGEST_PAGE, PAGE_TOLERANCE
from course_utils.widgets.subject import Subject

# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_page_holds_the_decoder(name, tmp_path):
    model = lively(MODELS[name]())
    path = export_html(model, tmp_path / "page.html")
    assert path == tmp_path / "page.html"
    content = content_of(path)
    z = 1.5 * torch.randn(200, model.latent_dim, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = model.decode_mean(z).clamp(0, 1)
    assert wanted.std(0).mean() > 0.05  # or any page would do
    assert (decoded(content, z) - wanted).abs().max() < PAGE_TOLERANCE
    assert content["latents"] == model.latent_dim and content["side"] == 28
    assert content["order"] == list(range(model.latent_dim)) and content["kl"] is None
    assert content["prior"] == (name not in ("autoencoder", "with a mixture as prior"))


@pytest.mark.parametrize("name", ["mnist-vae-2", "mnist-vae-20", "mnist-beta-1"])
def test_the_models_of_the_course_fit_exactly(name, tmp_path):
    model = load_checkpoint(name)  # half precision already
    path = export_html(model, tmp_path / "page.html", some_images(1200))
    assert path.stat().st_size < LARGEST_PAGE <= 2_000_000
    z = torch.randn(200, model.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model.decode_mean(z)
    assert (decoded(content_of(path), z) - wanted).abs().max() < 1e-4


def test_the_page_asks_for_nothing(tmp_path):
    page = export_html(lively(VAE(2, 40)), tmp_path / "page.html", some_images()).read_text()
    outside = re.sub(r'id="model">.*?</script>', "", page, flags=re.DOTALL)
    assert not re.search(r"https?:|//\w|\bimport\b|\bfetch\b|XMLHttp|@import|url\(", outside)
    assert re.findall(r"""\b(?:src|href)=["'](.*?)["']""", outside) == ["data:,"]
    assert "default-src 'none'" in outside
    assert page.count("</script>") == 2 and "{{" not in page


def test_units_are_ordered_by_their_kl(tmp_path):
    model, images = lively(VAE(6, 40)), some_images(1100)
    content = content_of(export_html(model, tmp_path / "page.html", images))
    with torch.no_grad():
        mu, log_var = model.encode(images[:1000].flatten(1) / 255)
    q, prior = torch.distributions.Normal(mu, (0.5 * log_var).exp()), torch.distributions.Normal
    kl = torch.distributions.kl_divergence(q, prior(0.0, 1.0)).mean(0)
    assert content["kl"] == pytest.approx(kl.tolist(), rel=1e-4)
    ordered = [content["kl"][m] for m in content["order"]]
    assert ordered == sorted(ordered, reverse=True) and len(set(ordered)) == 6
    assert (content["centre"], content["scale"]) == ([0.0] * 6, [1.0] * 6)


def test_ten_images_travel_with_their_codes(tmp_path):
    model, images = lively(VAE(2, 40)), some_images()
    labels = torch.arange(60) % 7
    content = content_of(export_html(model, tmp_path / "page.html", images, labels))
    with torch.no_grad():
        mu, _ = model.encode(images.flatten(1) / 255)
    assert [image["label"] for image in content["images"]] == list("0123456012")
    for n, image in enumerate(content["images"]):
        assert torch.equal(numbers(image["pixels"], "u1").view(28, 28), images[n].float())
        assert image["code"] == pytest.approx(mu[n].tolist(), abs=1e-5)
    assert torch.allclose(numbers(content["codes"]["at"]).view(-1, 2), mu, rtol=1e-3, atol=1e-6)
    assert torch.equal(numbers(content["codes"]["label"], "u1"), labels.float())
    colours = [kind["light"] for kind in content["classes"]]
    assert len(set(colours)) == 7 and colours[:2] == PALETTE[:2]


def test_one_of_each_class_comes_first(tmp_path):
    labels = ["frown"] * 30 + ["smile"] * 30
    content = content_of(export_html(VAE(3, 40), tmp_path / "p.html", some_images(), labels))
    assert [i["label"] for i in content["images"]] == ["frown", "smile"] + 8 * ["frown"]
    assert [kind["mark"] for kind in content["classes"]] == ["", ""]  # words are drawn as dots
    assert content["codes"] is None  # no map


def test_without_labels_images_have_no_class(tmp_path):
    content = content_of(export_html(VAE(2, 40), tmp_path / "page.html", some_images(3)))
    assert [image["label"] for image in content["images"]] == [None] * 3
    assert len(content["classes"]) == 1


def test_an_autoencoder_is_placed_by_its_codes(tmp_path):
    model, images = lively(Autoencoder(2, 40)), some_images()
    content = content_of(export_html(model, tmp_path / "page.html", images))
    with torch.no_grad():
        codes = model.encode(images.flatten(1) / 255)
    assert content["centre"] == pytest.approx(codes.mean(0).tolist(), rel=1e-4)
    assert content["scale"] == pytest.approx(codes.std(0, correction=0).tolist(), rel=1e-4)
    at = (codes - codes.mean(0)) / codes.std(0, correction=0)
    assert torch.allclose(numbers(content["codes"]["at"]).view(-1, 2), at, rtol=1e-2, atol=1e-2)
    assert not content["prior"]


def test_a_deterministic_encoder_may_have_a_prior(tmp_path):
    """As in an adversarial autoencoder: nothing is inferred from what the encoder returns."""
    model = lively(Stranger(has_prior=True))
    content = content_of(export_html(model, tmp_path / "page.html", some_images()))
    assert content["prior"] and content["kl"] is None and content["order"] == [0, 1, 2]
    assert (content["centre"], content["scale"]) == ([0.0] * 3, [1.0] * 3)


def test_units_may_be_used_without_a_prior(tmp_path):
    model = lively(Stranger(unit_kl=lambda x: torch.tensor([0.5, 0.0, 2.0])))
    content = content_of(export_html(model, tmp_path / "page.html", some_images()))
    assert not content["prior"]
    assert (content["kl"], content["order"]) == ([0.5, 0.0, 2.0], [2, 0, 1])
    assert content["centre"] != [0.0] * 3 and content["scale"] != [1.0] * 3


@pytest.mark.parametrize("outputs_logits", [True, False])
def test_the_model_says_what_its_output_is(outputs_logits, tmp_path):
    model = lively(Stranger(outputs_logits=outputs_logits, likelihood="no matter"))
    content = content_of(export_html(model, tmp_path / "page.html"))
    assert content["output"] == ("sigmoid" if outputs_logits else "clamp")
    model.decode_mean = lambda z: model.decode(z) if outputs_logits else model.decode(z).sigmoid()
    with pytest.raises(ValueError, match="^model: expected decode_mean.*outputs_logits.* apart$"):
        export_html(model, tmp_path / "other.html")


def test_a_model_that_encodes_nothing_takes_no_images(tmp_path):
    model = Stranger()
    model.encode_mean = None
    export_html(model, tmp_path / "page.html")
    with pytest.raises(ValueError, match=r"^images: expected a model with encode_mean\(x\)"):
        export_html(model, tmp_path / "other.html", some_images())


class Asked:
    """A model of the reader's own, which is no module. It notes what it is asked for."""

    def __init__(self):
        self.noted = set()
        self.parts = {
            "latent_dim": 2,
            "decoder": lively(nn.Sequential(nn.Linear(2, 784))),
            "decode": lambda z: self.parts["decoder"](z),
            "encode_mean": lambda x: x[:, 400:402],
        }

    def __getattr__(self, name):
        self.noted.add(name)
        if name in self.parts:
            return self.parts[name]
        raise AttributeError(name)


def named_in(*documented):
    return {name for it in documented for name in re.findall(r"`(\w+)", it.__doc__)}


def test_a_model_needs_what_the_docstrings_name(tmp_path):
    model = Asked()
    export_html(model, tmp_path / "page.html", some_images(), LABELS)
    for kind in (LatentTraversal, LatentPlane):
        kind(model, some_images(), LABELS)
    assert set(model.parts) <= named_in(export_html, LatentTraversal)
    asked = {name for name in model.noted if not name.startswith("__")}
    assert set(model.parts) < asked <= named_in(export_html, LatentTraversal, Subject)


@pytest.mark.parametrize("size", [np.int64(2), torch.tensor(2), 2.0])
def test_the_number_of_units_may_be_of_any_library(size, tmp_path):
    model = Asked()
    model.parts["latent_dim"] = size
    assert content_of(export_html(model, tmp_path / "page.html"))["latents"] == 2


@pytest.mark.slow
def test_the_default_type_of_numbers_changes_nothing(tmp_path):
    model, path = lively(VAE(2, 40)), tmp_path / "page.html"
    expected = export_html(model, path, some_images(), LABELS).read_bytes()
    live = LatentPlane(model, some_images(), LABELS)
    live.random()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert export_html(model, path, some_images(), LABELS).read_bytes() == expected
        again = LatentPlane(model, some_images(), LABELS)
        again.random()
        assert (again.image.value, again.map.value) == (live.image.value, live.map.value)
        assert again.text.value == live.text.value and again.z.dtype == torch.float32
        LatentTraversal(model, some_images()).figure()
        export_html(VAE(2, 40).to(torch.float64), path, some_images(), LABELS)
        export_html(Autoencoder(2, 40).to(torch.float64), path, some_images(), LABELS)
    finally:
        torch.set_default_dtype(default)


def test_titles_and_labels_stay_text(tmp_path):
    labels = [HOSTILE, "plain"] * 30
    path = export_html(VAE(2, 40), tmp_path / "page.html", some_images(), labels, title=HOSTILE)
    page = path.read_text(encoding="utf-8")
    assert page.count("</script>") == 2 and "<b>" not in page
    assert page.count(html.escape(HOSTILE)) == 2  # the title and the heading
    assert {kind["name"] for kind in content_of(path)["classes"]} == {HOSTILE, "plain"}


def test_the_model_and_random_numbers_are_left_alone(tmp_path):
    model = lively(VAE(2, 40)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.random.get_rng_state()
    first = export_html(model, tmp_path / "a.html", some_images()).read_bytes()
    assert model.training and all(p.grad is None for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert export_html(model, str(tmp_path / "b.html"), some_images()).read_bytes() == first


# --- what is refused -----------------------------------------------------------------------------


class Louder(VAE):
    """Its picture is not what its layers make."""

    def decode_mean(self, z):
        return super().decode_mean(z) ** 2


class WithoutLayers:
    latent_dim = 2

    def decode(self, z):
        return z.new_zeros(len(z), 784)


def with_decoder(*layers):
    model = VAE(2, 40)
    model.decoder = nn.Sequential(*layers)
    return model


def in_groups():
    yield nn.Unflatten(1, (2, 1, 1))
    yield nn.ConvTranspose2d(2, 2, (14, 28), groups=2)
    yield nn.Flatten()


def with_weight(value):
    model = VAE(2, 40)
    model.decoder[0].weight.data[0, 0] = value
    return model


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: with_decoder(nn.Linear(2, 9), nn.GELU(), nn.Linear(9, 784)), "got GELU"),
        (lambda: with_decoder(*in_groups()), "got ConvTranspose2d"),
        (
            lambda: nn.Linear(2, 784),
            "^model: expected decode_mean.*, got Linear, which has neither",
        ),
        (
            lambda: WithoutLayers(),
            "^model: expected .* in `decoder`, .* got WithoutLayers without",
        ),
        (lambda: Louder(2, 40), "^model: expected decode_mean.* apart"),
        (lambda: VAE(2, 40, data_dim=783), "expected square images, got 783 pixels"),
        (lambda: VAE(2, 1000), r"expected at most 2 MB, got 2.1 MB: .* 787,784 weights"),
        (lambda: with_weight(1e5), "finite numbers up to 65,504"),
        (lambda: with_weight(float("nan")), r"finite numbers from decode_mean\(z\), got NaN"),
        (lambda: VAE, "^model: .* got the class VAE"),
    ],
)
def test_what_the_page_cannot_compute_is_refused(build, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_html(build(), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (some_images(), torch.arange(59), "labels: expected 60, one per image, got 59"),
        (some_images(0), None, "images: expected at least one"),
        (some_images(300), list(range(300)), "at most 256 classes, got 300"),
    ],
)
def test_images_and_labels_must_fit(images, labels, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_html(VAE(2, 40), tmp_path / "page.html", images, labels)
    assert not list(tmp_path.iterdir())


def test_codes_must_be_finite(tmp_path):
    model = VAE(2, 40)
    model.encoder[0].bias.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"^model: expected finite numbers from encode_mean\(x\)"):
        export_html(model, tmp_path / "page.html", some_images())


@pytest.mark.parametrize(
    ("path", "title", "message"),
    [
        (None, "t", "path: expected a file's path, got None"),
        (3, "t", "path: expected a file's path, got 3"),
        ("", "t", r'path: expected a file\'s path, got the folder "\."'),
        ("{folder}", "t", 'path: expected a file\'s path, got the folder ".*"'),
        ("{folder}/page.html", None, "title: expected text, got None"),
        ("{folder}/page.html", 3, "title: expected text, got 3"),
    ],
)
def test_path_and_title_must_be_such(path, title, message, tmp_path):
    path = path.format(folder=tmp_path) if isinstance(path, str) else path
    with pytest.raises(ValueError, match=f"^{message}$"):
        export_html(VAE(2, 40), path, title=title)
    assert not list(tmp_path.iterdir())


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert export_html(VAE(2, 40), "~/page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").is_file()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an existing folder, got .*nowhere"):
        export_html(VAE(2, 40), tmp_path / "nowhere" / "page.html")


def test_the_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before")

    def full(file):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        export_html(VAE(2, 40), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
