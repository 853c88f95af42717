"""Numbers of any library are numbers; everything else is named, in one short line."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from course_utils.arguments import count, counts, described, function_of, number

WHOLE = [3, np.int64(3), np.uint8(3), 3.0, np.float32(3), np.array(3), torch.tensor(3)]
WHOLE += [torch.tensor(3.0), torch.tensor([3])[0], Fraction(3)]
NONE_AT_ALL = [None, "3", b"3", [3], (3,), {}, 2.5, np.float64(2.5), torch.tensor(2.5), True]
NONE_AT_ALL += [float("nan"), float("inf"), np.array([3]), torch.ones(2), 3 + 0j, object()]


@pytest.mark.parametrize("value", WHOLE, ids=lambda v: f"{type(v).__name__} {v}")
def test_a_whole_number_of_any_library_is_python_s(value):
    assert type(count("n", value)) is int and count("n", value) == 3
    assert counts(a=value, b=1) == {"a": 3, "b": 1}


@pytest.mark.parametrize("value", NONE_AT_ALL, ids=lambda v: type(v).__name__)
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match=r"^n: expected a whole number, 1 or more, got ") as error:
        count("n", value)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_too_few_are_named_with_the_least():
    for value in (1, np.int8(1), 1.0):
        with pytest.raises(ValueError, match="n: expected 2 or more, got 1"):
            count("n", value, least=2)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), torch.tensor(0.5), Fraction(1, 2)])
def test_a_real_number_of_any_library_is_python_s(value):
    found = number("rate", value, "more than 0", lambda v: v > 0)
    assert type(found) is float and found == 0.5


@pytest.mark.parametrize("value", [0, -1.0, None, "0.5", [0.5], torch.ones(2), np.nan], ids=str)
def test_what_is_no_such_number_is_named(value):
    with pytest.raises(ValueError, match=r"^rate: expected more than 0, got ") as error:
        number("rate", value, "more than 0", lambda v: v > 0)
    assert len(str(error.value)) < 300


def test_large_things_are_described_in_few_words():
    assert described(torch.zeros(1_000, 3)) == "Tensor of shape (1000, 3)"
    assert described(np.zeros((2, 3))) == "ndarray of shape (2, 3)"
    assert described(list(range(10_000))).endswith("... (list)")
    assert described("short") == "'short'"


def test_what_is_described_stays_on_one_line():
    for value in (torch.nn.Sequential(torch.nn.ReLU(), torch.nn.ReLU()), np.zeros(()), "a\nb"):
        assert "\n" not in described(value) and len(described(value)) <= 100


@pytest.mark.parametrize(
    "value", [lambda m, x: 0, lambda *a: 0, lambda m, x, beta=1: 0, max, print]
)
def test_functions_of_two_arguments(value):
    function_of("loss", value, "model", "x")


@pytest.mark.parametrize(
    ("value", "came"),
    [("elbo", "'elbo'"), (None, "None"), (3, "3"), (lambda x: x, "one of (x)"), (len, "one of (")],
    ids=["text", "nothing", "a number", "of one", "a built-in of one"],
)
def test_what_is_no_function_of_two_arguments_is_named(value, came):
    with pytest.raises(ValueError) as error:
        function_of("loss", value, "model", "x")
    assert str(error.value).startswith(f"loss: expected a function of (model, x), got {came}")
    assert len(str(error.value)) <= 300
