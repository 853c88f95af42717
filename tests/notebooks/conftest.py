"""What tests of the pages share: figures are drawn off screen."""

import matplotlib
from helpers.precision import float64  # noqa: F401  the fixture

matplotlib.use("Agg")
