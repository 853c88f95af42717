"""What students might write: each notebook's file holds right and wrong answers to its exercises.

`RIGHT` {exercise: right answers in other words}, `WRONG` {exercise: {a phrase of the hint: the
slip that gets it}}; `NOISY` are the exercises whose answers are compared within their noise.
"""

from importlib import import_module
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("n[0-9]*.py"))
NOTEBOOKS = {name: import_module(f"answers.{name}") for name in NAMES}
RIGHT = {name: found for module in NOTEBOOKS.values() for name, found in module.RIGHT.items()}
WRONG = {name: slips for module in NOTEBOOKS.values() for name, slips in module.WRONG.items()}
NOISY = NOTEBOOKS["n02"].NOISY
