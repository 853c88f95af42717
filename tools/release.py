"""The old address of the student editions, until nothing imports it any more."""

import sys

from tools.exercise_cells import exercises_of, solution_regions  # noqa: F401
from tools.student_editions import main

if __name__ == "__main__":
    sys.exit(main())
