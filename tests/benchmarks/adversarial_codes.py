"""Codes and a judge: does their cloud match the prior, and does a smile vector move the smile?

    python tests/benchmarks/adversarial_codes.py [--minutes 7.5] [--quick]

**Codes**: a VAE and an adversarial autoencoder with two latents, trained on the first 10,000
digits. A new judge learns to tell codes of test digits from draws of the prior, on one half of
them; its share of right answers on the other half is kept, and its estimate of KL(q(z) || p(z)).
**Likeness**: three models of the first 5,000 digits: how far their reconstructions lie from the
test digits, in pixels and in the features of the VAE/GAN's discriminator, and the contrast of
their dreams.
**Smile**: as in notebook 06, for a VAE, an adversarial autoencoder and a VAE/GAN with ten latents
on drawn faces. Everything is trained anew for each seed, with the settings and by the definitions
of notebook 10b.
"""

import itertools
import sys
from pathlib import Path

import torch
from record import Pieces, digits_for, options, print_table, save_result
from torch import Tensor, nn
from vectors import in_spreads

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.shown import shown

from course_utils.data import ImageData, as_float, load_faces
from course_utils.models import (
    VAE,
    VAEGAN,
    AdversarialAutoencoder,
    ConvDecoderVAE,
    mlp,
    train_adversarial_autoencoder,
    train_vae_gan,
)
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

SEEDS, JUDGED = (0, 1, 2), 1_000
PAGE = "10b_adversarial_codes"
PLAN = {
    "images": 10_000,
    "code_epochs": 6,
    "likeness": {"images": 5_000, "epochs": 6, "weight": 300, "start": -3.0},
    "weight": 10.0,
    "vae": {"batch_size": 100, "learning_rate": 5e-3, "progress": False},
    "faces": 10_000,
    "face_epochs": {"VAE": 8, "adversarial": 8, "VAE/GAN": 8},
    "reader": {"epochs": 10, "learning_rate": 3e-3, "progress": False},
}
QUICK = {
    "code_epochs": 1,
    "likeness": PLAN["likeness"] | {"images": 200, "epochs": 1},
    "face_epochs": dict.fromkeys(PLAN["face_epochs"], 1),
    "images": 500,
    "faces": 500,
}
QUICK |= {"reader": PLAN["reader"] | {"epochs": 1}}


def trained_codes(kind: str, seed: int, digits: ImageData, plan: dict) -> dict:
    """One model with two latents, and what a new judge says of its codes."""
    device, images = pick_device(), digits.train_images[: plan["images"]]
    seed_everything(seed)
    x = as_float(digits.test_images).to(device)
    if kind == "VAE":
        model = VAE(latent_dim=2).to(device)
        fit(model, (images, digits.test_images[:100]), plan["code_epochs"], **plan["vae"])
        with torch.no_grad():
            codes = model.reparameterize(*model.encode(x)).cpu()
    else:
        model = AdversarialAutoencoder(latent_dim=2).to(device)
        how = {"weight": plan["weight"], "progress": False}
        train_adversarial_autoencoder(model, images, plan["code_epochs"], **how)
        codes = model.encode(x).detach().cpu()
    test = shown(PAGE, "two_sample_test").two_sample_test
    right, error, kl = test(codes, torch.randn_like(codes))
    with torch.no_grad():
        log_lik = model.log_prob_of(x, model.decode(codes.to(device))).mean().item()
    scores = {"right": right, "right_se": error, "kl_by_judge": kl, "log_lik": log_lik}
    return {"model": kind, "seed": seed, **scores}


def likeness(seed: int, digits: ImageData, plan: dict) -> list[dict]:
    """Distances of reconstructions in pixels and in features, and the contrast of dreams."""
    device, how = pick_device(), plan["likeness"]
    page = shown(PAGE, "distance_between", "contrast")
    images = digits.train_images[: how["images"]]
    x = as_float(digits.test_images[:JUDGED])
    seed_everything(seed)
    vaegan = VAEGAN(latent_dim=10, conv=True).to(device)
    train_vae_gan(vaegan, images, how["epochs"], weight=how["weight"], progress=False)
    models = {}
    for name, start in (("VAE, σ² = 1", 0.0), ("VAE, σ² learned", how["start"])):
        seed_everything(seed)
        vae = ConvDecoderVAE(10, channels=16, likelihood="gaussian").to(device)
        nn.init.constant_(vae.log_noise_var, start)
        vae.log_noise_var.requires_grad_(name.endswith("learned"))
        fit(vae, (images, images[:100]), how["epochs"], **plan["vae"])
        models[name] = vae

    def features(x: Tensor) -> Tensor:
        return vaegan.features(x.to(device)).detach().cpu()

    found = []
    for name, model in {**models, "VAE/GAN": vaegan}.items():
        seed_everything(seed)
        with torch.no_grad():
            x_hat = model.decode_mean(model.encode_mean(x.to(device))).cpu()
            sharp = page.contrast(model.sample(1_000).cpu()) / page.contrast(x)
        scores = {"pixels": page.distance_between(x, x_hat, nn.Identity())}
        scores |= {"features": page.distance_between(x, x_hat, features), "contrast": sharp}
        found.append({"model": name, "seed": seed, **scores})
    return found


def trained_on_faces(kind: str, images: Tensor, plan: dict) -> VAE | AdversarialAutoencoder:
    """One model with ten latents, trained on drawn faces (N, 28, 28)."""
    epochs, device = plan["face_epochs"][kind], pick_device()
    if kind == "VAE":
        model = VAE(10, likelihood="gaussian").to(device)
        fit(model, (images, images[:100]), epochs, **plan["vae"])
        return model
    if kind == "adversarial":
        model = AdversarialAutoencoder(10, likelihood="gaussian").to(device)
        return train_adversarial_autoencoder(model, images, epochs, progress=False)
    model = VAEGAN(10).to(device)
    return train_vae_gan(model, images, epochs, progress=False)


def smile(seed: int, faces: ImageData, plan: dict) -> list[dict]:
    """What the smile vector of each kind of model moves, as one reader sees it."""
    page, device = (
        shown(PAGE, "squared_error", "smile_vector", "smile_edits", "smile_test"),
        pick_device(),
    )
    images, n = faces.train_images[: plan["faces"]], plan["faces"]
    x, x_test = (as_float(i).to(device) for i in (images, faces.test_images))
    f, f_test = (factors.to(device) for factors in in_spreads(faces))
    f, smiles = f[:n], faces.train_labels[:n].to(device) == 1
    seed_everything(seed)
    reader = mlp(784, 300, f.shape[1]).to(device)
    rows = torch.cat([x, f], dim=1), torch.cat([x_test, f_test], dim=1)
    fit(reader, rows, loss=page.squared_error, **plan["reader"])
    x_test, alpha = x_test[:JUDGED], torch.linspace(-1, 1, 5, device=device)
    groups, found = (f[smiles, 0].mean() - f[~smiles, 0].mean()).item(), []
    for kind in plan["face_epochs"]:
        seed_everything(seed)
        model = trained_on_faces(kind, images, plan)
        v = page.smile_vector(model, x, smiles)
        edited = page.smile_edits(model, v, x_test, alpha)
        scores = page.smile_test(edited, reader, f_test[:JUDGED], groups)
        pixels = (x_test - edited[2]).square().sum(1).mean().item()
        row = {"model": kind, "seed": seed, "groups": groups, "squared_error": pixels}
        found.append(row | scores)
    return found


def main() -> None:
    given = options(__doc__)
    plan = PLAN | (QUICK if given.quick else {})
    digits, faces = digits_for(given), load_faces()
    seeds = SEEDS[:1] if given.quick else SEEDS
    pieces, codes, alike, smiles = Pieces("adversarial_codes", plan, given), [], [], []
    for seed, kind in itertools.product(seeds, ("VAE", "adversarial")):
        found = pieces.get(
            f"codes {kind} {seed}", lambda k=kind, s=seed: trained_codes(k, s, digits, plan)
        )
        codes.append(found)
    for seed in seeds:
        alike.append(pieces.get(f"likeness {seed}", lambda s=seed: likeness(s, digits, plan)))
        smiles.append(pieces.get(f"smile {seed}", lambda s=seed: smile(s, faces, plan)))
    if not pieces.finished():
        return
    alike, smiles = ([row for rows in found for row in rows] for found in (alike, smiles))
    print_table(codes)
    print_table(alike)
    print_table(smiles)
    if given.quick:
        return
    save_result(
        "adversarial_codes",
        what="share of right answers of a new judge; smile and other factors in spreads",
        plan=plan,
        seeds=SEEDS,
        codes={"judged": len(digits.test_images), "rows": codes},
        likeness={"judged": JUDGED, "rows": alike},
        smile={"judged": JUDGED, "groups": smiles[0]["groups"], "rows": smiles},
    )
    pieces.clear()


if __name__ == "__main__":
    main()
