"""What tests of figures share: they draw off screen."""

import matplotlib
from helpers.precision import float64  # noqa: F401  the fixture

matplotlib.use("Agg")
