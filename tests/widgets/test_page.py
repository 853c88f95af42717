"""The explorer as one page, without a browser: what `export_html` writes, and what it refuses."""

import base64
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.explorers import Stranger
from helpers.pages import HOSTILE, MODELS, lively, some_images
from torch import nn

from course_utils.models import VAE, Autoencoder
from course_utils.session import PALETTE
from course_utils.training import load_checkpoint
from course_utils.widgets import export_html
from course_utils.widgets.page import LARGEST_PAGE, PAGE_TOLERANCE


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
    assert content["prior"] == (name != "autoencoder")


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


def with_weight(value):
    model = VAE(2, 40)
    model.decoder[0].weight.data[0, 0] = value
    return model


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: with_decoder(nn.Linear(2, 9), nn.GELU(), nn.Linear(9, 784)), "got GELU"),
        (lambda: with_decoder(nn.Linear(2, 784), nn.BatchNorm1d(784)), "got BatchNorm1d"),
        (lambda: with_decoder(nn.ConvTranspose2d(2, 1, 28)), "got ConvTranspose2d"),
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
        (lambda: with_weight(float("nan")), "finite numbers up to 65,504"),
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
    with pytest.raises(ValueError, match="expected finite codes"):
        export_html(model, tmp_path / "page.html", some_images())


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
