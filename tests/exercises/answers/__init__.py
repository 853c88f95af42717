"""What students might write: each notebook's file holds right and wrong answers to its exercises.

`RIGHT` {exercise: right answers in other words}, `WRONG` {exercise: {a phrase of the hint: the
slip that gets it}}; `NOISY` are the exercises whose answers are compared within their noise.
"""

from answers import (
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

NOTEBOOKS = (n00, n01, n02, n03, n04, n05, n06, n07, n07b, n07c, n07d, n08, n09, n09b, n10, n10b)
RIGHT = {name: found for module in NOTEBOOKS for name, found in module.RIGHT.items()}
WRONG = {name: slips for module in NOTEBOOKS for name, slips in module.WRONG.items()}
NOISY = n02.NOISY
