"""The checks behind the exercises: `check("kl_per_dimension", kl_per_dimension)` in a notebook.

`checking` is the frame; it asks (`answers`), cuts what never ends (`time_limit`), and says what
differs (`hints`). The rules of one notebook's exercises stand in the file with its number.
"""

from course_utils.exercises import (  # noqa: F401  they fill CHECKS
    n00,
    n01,
    n02,
    n03,
    n04,
    n05,
    n06,
    n07,
    n07b,
    n07c,
    n07d,
    n08,
    n09,
    n09b,
    n10,
    n10b,
)
from course_utils.exercises.answers import CheckFailed
from course_utils.exercises.checking import CHECKS, check

__all__ = ["CHECKS", "CheckFailed", "check"]
