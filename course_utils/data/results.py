"""Recorded figures: what takes too long to be measured in a notebook."""

import json

from course_utils.files import results_root


def load_result(name: str) -> dict:
    """A measurement recorded in `data/results/NAME.json`: figures, machine, date, command, seed.

    Args:
        name: of the record; CONTRIBUTING.md says how one is made.
    Returns:
        What the file holds; its keys and units are each record's own.
    Raises:
        FileNotFoundError: when there is no such record; names those that there are.
    """
    path = results_root() / f"{name}.json"
    if not path.is_file():
        there = sorted(file.stem for file in results_root().glob("*.json"))
        raise FileNotFoundError(f"expected a recorded result, one of {there}, got {name!r}")
    return json.loads(path.read_text(encoding="utf-8"))
