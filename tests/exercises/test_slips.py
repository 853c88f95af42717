"""Slips and nonsense: each gets a hint, the likely ones a hint of their own."""

import numpy as np
import pytest
import torch
from answers import WRONG
from on_the_page import as_it_was, by_name, hint_for, on_the_page

from course_utils.exercises import CHECKS

pytestmark = pytest.mark.slow  # every slip that was ever named


@by_name
def test_named_slips_get_hints_of_their_own(name):
    assert len(WRONG[name]) >= 3
    with as_it_was(on_the_page(name).dtype):
        hints = {phrase: hint_for(name, slip) for phrase, slip in WRONG[name].items()}
    for phrase, hint in hints.items():
        assert phrase in hint
        assert [p for p in hints if p in hint] == [phrase], "the phrase fits other hints, too"


@by_name
def test_each_declared_slip_is_named_and_wrong(name):
    """No hint of the package is left untried, and none comes for a right answer."""
    right, slips = CHECKS[name].solve()
    assert len(slips) >= 3
    for hint, slip in slips.items():
        assert any(phrase in hint for phrase in WRONG[name]), f"no slip gets the hint {hint!r}"
        filled = [
            [r if s is None else s for s, r in zip(*pair, strict=True)]
            for pair in zip(slip, right, strict=True)
        ]
        assert not CHECKS[name].agree(filled, right), f"a right answer gets the hint {hint!r}"


# --- whatever a student can pass -----------------------------------------------------------------


def exits(*inputs):
    raise SystemExit("exit() in a function")


def stub(*inputs):
    raise NotImplementedError("Exercise 1: write it.")


class Odd:
    """Something whose every attribute is a trap."""

    def __getattr__(self, name):
        raise RuntimeError("a trap")


NONSENSE = {
    "None": None,
    "an ellipsis": ...,
    "a number": 3,
    "a string": "0.5",
    "a NaN": float("nan"),
    "a tensor": torch.ones(2, 3),
    "an empty tensor": torch.ones(0),
    "an array": np.ones(7),
    "a class": Odd,
    "an object": Odd(),
    "a network": torch.nn.Linear(3, 3),
    "a stub": stub,
    "returns None": lambda *inputs: None,
    "returns NaN": lambda *inputs: float("nan"),
    "returns a string": lambda *inputs: "0.5",
    "returns itself": lambda *inputs: inputs,
    "returns a whole number": lambda *inputs: -17,
    "returns complex numbers": lambda *inputs: 1j * torch.ones(3),
    "returns another shape": lambda *inputs: torch.ones(2, 1, 5),
    "returns truth": lambda *inputs: True,
    "returns an odd thing": lambda *inputs: Odd(),
    "returns a function": lambda *inputs: torch.sin,
    "divides by zero": lambda *inputs: 1 / 0,
    "takes nothing": lambda: 1.0,
    "exits": exits,
    "recurses": lambda *inputs: NONSENSE["recurses"](*inputs),
}


@by_name
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_gets_a_hint(name, kind):
    hint = hint_for(name, NONSENSE[kind])
    assert 10 < len(hint) < 600
    assert "Stopped after" not in hint
