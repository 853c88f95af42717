"""The networks that more than one notebook uses, a file for each family.

A model is any module with the methods that `objectives` and `training` call: `encode`, `decode`,
`log_prob_of`, `elbo_terms` and `loss`, and `posterior_draws` and `log_prior` where q or the prior
is not a normal one. Those of `labelled` are told a label, too. Inputs are rows of D pixels, codes
are rows of M latents.
What comes out of a network has the dtype of what went in: under autocast it is bfloat16, too
coarse to sum 784 log probabilities in.
"""

from course_utils.models.adversarial_codes import (
    VAEGAN,
    AdversarialAutoencoder,
    train_adversarial_autoencoder,
    train_vae_gan,
)
from course_utils.models.annealing import annealed_log_partition, annealed_log_prob, temperatures
from course_utils.models.autoencoder import Autoencoder
from course_utils.models.boltzmann import RBM, all_states, train_rbm
from course_utils.models.classifier import (
    Classifier,
    adversarial,
    fooling_images,
    train_classifier,
)
from course_utils.models.deep_boltzmann import DBM, DBN, pretrained_dbm
from course_utils.models.gan import GAN, train_gan
from course_utils.models.labelled import M2, ConditionalVAE, train_m2
from course_utils.models.layered import ConvDecoderVAE, LadderVAE, TwoLayerVAE
from course_utils.models.layers import mlp
from course_utils.models.parts import DeepVAE, FlowVAE, MixturePriorVAE, VampPriorVAE
from course_utils.models.priors import FlowPriorVAE
from course_utils.models.tempering import swap_probability, tempered_gibbs
from course_utils.models.vae import LIKELIHOODS, VAE, ConvVAE, LinearVAE

# The classes that a checkpoint may name; nothing else is ever built from a file.
STRONGER = (DeepVAE, FlowVAE, MixturePriorVAE, VampPriorVAE, FlowPriorVAE)
LAYERED = (ConvDecoderVAE, TwoLayerVAE, LadderVAE)
LABELLED = (ConditionalVAE,)
MODELS = {
    c.__name__: c for c in (Autoencoder, VAE, LinearVAE, ConvVAE, *STRONGER, *LAYERED, *LABELLED)
}

__all__ = [
    "DBM",
    "DBN",
    "GAN",
    "LIKELIHOODS",
    "M2",
    "MODELS",
    "RBM",
    "VAE",
    "VAEGAN",
    "AdversarialAutoencoder",
    "Autoencoder",
    "Classifier",
    "ConditionalVAE",
    "ConvDecoderVAE",
    "ConvVAE",
    "DeepVAE",
    "FlowPriorVAE",
    "FlowVAE",
    "LadderVAE",
    "LinearVAE",
    "MixturePriorVAE",
    "TwoLayerVAE",
    "VampPriorVAE",
    "adversarial",
    "all_states",
    "annealed_log_partition",
    "annealed_log_prob",
    "fooling_images",
    "mlp",
    "pretrained_dbm",
    "swap_probability",
    "temperatures",
    "tempered_gibbs",
    "train_adversarial_autoencoder",
    "train_classifier",
    "train_gan",
    "train_m2",
    "train_rbm",
    "train_vae_gan",
]
