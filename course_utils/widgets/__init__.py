"""Live pictures with sliders, the latent explorers, the explorer as one page."""

from course_utils.widgets.explorers import LatentPlane, LatentTraversal
from course_utils.widgets.knobs import Knobs, knobs, to_png
from course_utils.widgets.page import export_html

__all__ = ["Knobs", "LatentPlane", "LatentTraversal", "export_html", "knobs", "to_png"]
