"""The checks behind the exercises: `check("kl_per_dimension", kl_per_dimension)` in a notebook.

The frame stands in `checking`, the rules of one notebook's exercises in the file with its number.
"""

from course_utils.exercises import n00, n01, n02, n03, n04, n05, n06  # noqa: F401  they fill CHECKS
from course_utils.exercises.checking import CHECKS, CheckFailed, check

__all__ = ["CHECKS", "CheckFailed", "check"]
