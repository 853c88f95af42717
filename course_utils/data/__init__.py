"""Images to learn from: MNIST, drawn digits and faces, your own pictures; recorded figures."""

from course_utils.data.digits import (
    ImageData,
    MNISTUnavailable,
    as_float,
    as_tensor,
    binarize,
    load_digits,
    load_faces,
    scaled,
)
from course_utils.data.own import load_images
from course_utils.data.results import load_result

__all__ = [
    "ImageData",
    "MNISTUnavailable",
    "as_float",
    "as_tensor",
    "binarize",
    "load_digits",
    "load_faces",
    "load_images",
    "load_result",
    "scaled",
]
