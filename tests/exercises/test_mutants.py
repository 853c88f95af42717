"""Mutants of every solution are rejected, unless they give the same as the solution.

`pytest tests/exercises/test_mutants.py -rP` shows how many there are of each exercise.
"""

import ast
import functools
from dataclasses import replace

import pytest
import torch
from answers import NOISY
from helpers.mutate import mutants
from on_the_page import as_it_was, by_name, on_the_page

from course_utils.exercises import CHECKS, CheckFailed
from course_utils.exercises.answers import itself
from course_utils.exercises.checking import Exercise, within

pytestmark = pytest.mark.slow  # some hundred wrong answers to each exercise

SEEDS = (0, 1, 2, 3)  # of inputs; the check itself tries those of 0
COLUMNS = ("mutants", "equivalent", "rejected", "that stop", "own hint")


class SolvedOnce(Exercise):
    """The same exercise; what is right is worked out for the first mutant only."""

    solution = functools.cached_property(Exercise.solve)

    def solve(self):
        return self.solution


def results(exercise, answer):
    """What an answer gives on the check's inputs and on others: lists of tensors, or None."""
    found = []
    for seed in SEEDS:
        for inputs in exercise.inputs(seed):
            torch.default_generator.manual_seed(seed)
            try:
                found.append(exercise.results_of(answer, inputs))
            except CheckFailed:
                found.append(None)
    return found


def same(one, other, noise=None):
    """Whether two answers gave the same: to rounding, or within the noise of random draws."""
    if one is None or other is None:
        return one is other
    if noise:
        return all(map(noise, one, other))
    return all(
        a.shape == b.shape
        and (a.dtype == torch.bool) == (b.dtype == torch.bool)
        and torch.allclose(a.double(), b.double(), rtol=1e-5, atol=1e-6, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


def try_mutants(exercise, call, noisy=False):
    """({column: how many mutants}, the mutants that pass although they give something else).

    A mutant is equivalent if it gives the same for all inputs. It "stops" if it raises an
    exception; "own hint" counts those that are a declared slip.
    """
    exercise = SolvedOnce(**vars(exercise))
    row, survivors, own = dict.fromkeys(COLUMNS, 0), [], exercise.solve()[1]
    right = results(exercise, call.build(call.source))
    assert None not in right
    for mutant in mutants(call.source):
        row["mutants"] += 1
        try:
            answer = call.build(mutant)
        except Exception:  # the cell itself stops: the student sees that without a check
            row["rejected"] += 1
            row["that stop"] += 1
            continue
        try:
            exercise(answer)
        except CheckFailed as failed:
            row["rejected"] += 1
            row["that stop"] += failed.hint.startswith("Your code stops")
            row["own hint"] += failed.hint in own
        else:
            pairs = zip(right, results(exercise, answer))
            if all(same(*pair, exercise.close if noisy else None) for pair in pairs):
                row["equivalent"] += 1
            else:
                survivors.append(mutant)
    assert row["rejected"] + row["equivalent"] + len(survivors) == row["mutants"]
    return row, survivors


@by_name
def test_mutants_are_rejected(name):
    call = on_the_page(name)
    with as_it_was(call.dtype):
        row, survivors = try_mutants(CHECKS[name], call, name in NOISY)
    print(f"{name:30}", ", ".join(f"{count} {column}" for column, count in row.items()))
    assert row["rejected"] >= (5 if CHECKS[name].ask is itself else 10)
    assert not survivors, f"{len(survivors)} wrong answers pass, the first:\n{survivors[0]}"


def test_a_lax_check_lets_mutants_pass():
    """The test above can fail."""
    call = on_the_page("bits_per_dimension")
    lax = replace(CHECKS["bits_per_dimension"], close=within(relative=3, absolute=3))
    with as_it_was(call.dtype):
        row, survivors = try_mutants(lax, call)
    assert len(survivors) > 5 and row["rejected"] > 5


MARKED = """def f(mu, log_var):
    eps = torch.randn(5, 3)
    ### BEGIN SOLUTION
    noise = torch.randn(len(mu), 3)
    std = torch.exp(0.5 * log_var)
    z = mu[1:] - std * noise
    return (z.square() + 1).sum(dim=-1)
    ### END SOLUTION"""


def test_the_operators_make_the_plausible_slips():
    found = mutants(MARKED)
    for slip in [
        "return 2 * (z.square() + 1)",  # doubled
        "torch.exp(log_var)",  # a factor dropped
        "z = mu[1:] + std * noise",  # a sign
        "return (z.square() + 1).mean(dim=-1)",
        "return (z.square() + 1).sum(0)",
        "return z.square().sum(dim=-1)",  # a term
        "return (z + 1).sum(dim=-1)",
        "mu[1:] - std ** 2 * noise",
        "torch.exp(0.5 * (0.5 * log_var))",
        "torch.exp(0.5 * mu)",
        "torch.randn(1, 3)",  # one noise for all
        "torch.randn(3, len(mu))",
        "mu[1 + 1:]",
        "return -(z.square() + 1).sum(dim=-1)",
    ]:
        assert any(slip in mutant for mutant in found), slip
    whole = ast.unparse(ast.parse(MARKED))
    assert whole not in found and len(set(found)) == len(found) > 50
    for mutant in found:
        assert "eps = torch.randn(5, 3)" in mutant, "what is no solution stays"
        ours, theirs = whole.split("\n"), mutant.split("\n")
        assert sum(a != b for a, b in zip(ours, theirs, strict=True)) == 1
