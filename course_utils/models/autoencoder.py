"""The autoencoder of notebook 01."""

from torch import Tensor, nn

from course_utils.arguments import counts
from course_utils.models.layers import check_width, mlp


class Autoencoder(nn.Module):
    """Encoder and decoder with a bottleneck, trained on squared error. Introduced in notebook 01.

    Args:
        latent_dim: M, width of the bottleneck.
        hidden_dim: units of the one hidden layer on either side.
        data_dim: D.
    Raises:
        ValueError: for a size below 1.
    """

    has_prior, outputs_logits = False, False

    def __init__(self, latent_dim: int = 2, hidden_dim: int = 300, data_dim: int = 784):
        super().__init__()
        self.options = counts(latent_dim=latent_dim, hidden_dim=hidden_dim, data_dim=data_dim)
        latent_dim, hidden_dim, data_dim = self.options.values()
        self.latent_dim, self.data_dim = latent_dim, data_dim
        self.encoder = mlp(data_dim, hidden_dim, latent_dim)
        self.decoder = mlp(latent_dim, hidden_dim, data_dim)

    def encode(self, x: Tensor) -> Tensor:
        """Codes (..., M) of inputs (..., D)."""
        check_width(x, self.data_dim, "x")
        return self.encoder(x).to(x.dtype)

    def encode_mean(self, x: Tensor) -> Tensor:
        """The code (..., M) that stands for an image; here the code itself."""
        return self.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """Reconstructions (..., D) of codes (..., M)."""
        check_width(z, self.latent_dim, "z")
        return self.decoder(z).to(z.dtype)

    def decode_mean(self, z: Tensor) -> Tensor:
        """The image (..., D) that a code stands for; here the reconstruction itself."""
        return self.decode(z)

    def loss(self, x: Tensor) -> Tensor:
        """Squared error of the reconstruction, summed over the D pixels: (B,)."""
        return (x - self.decode(self.encode(x))).square().sum(-1)
