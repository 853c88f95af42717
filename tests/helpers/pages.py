"""Models and images for tests of the exported page."""

import torch

from course_utils.models import VAE, Autoencoder, ConvVAE, LinearVAE

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
