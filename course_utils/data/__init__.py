"""Images to learn from: MNIST, digits and faces drawn from known factors; recorded figures."""

from course_utils.data.digits import (
    ImageData,
    MNISTUnavailable,
    as_float,
    binarize,
    load_digits,
    load_faces,
    scaled,
)
from course_utils.data.results import load_result

__all__ = [
    "ImageData",
    "MNISTUnavailable",
    "as_float",
    "binarize",
    "load_digits",
    "load_faces",
    "load_result",
    "scaled",
]
