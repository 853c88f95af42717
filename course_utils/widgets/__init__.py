"""Live pictures with sliders, the latent explorers, the explorer as one page, questions."""

from course_utils.widgets.explorers import LatentTraversal
from course_utils.widgets.frame import framed
from course_utils.widgets.knobs import Knobs, knobs
from course_utils.widgets.page import export_html
from course_utils.widgets.pictures import to_png
from course_utils.widgets.plane import LatentPlane
from course_utils.widgets.predictions import predict

__all__ = [
    "Knobs",
    "LatentPlane",
    "LatentTraversal",
    "export_html",
    "framed",
    "knobs",
    "predict",
    "to_png",
]
