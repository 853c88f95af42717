"""The checks behind the exercises: `check("kl_per_dimension", kl_per_dimension)` in a notebook.

An exercise is declared by inputs to try and one function of them, which returns what is right,
computed another way than the solution does, and what the likely slips give, each under the hint
that it deserves. An answer may be a function, a class, a tensor or a number; what counts is what
it gives, not how it is written. An answer that agrees with a slip gets that slip's hint; any other
wrong one is told what differs: shape, NaN, sign, a factor. No hint holds the solution.

Numbers count as equal within a tolerance that float32 meets; NumPy, lists and Python numbers are
as good as tensors. Shapes count exactly, because (B, 1) against (B,) quietly becomes (B, B) one
line later; only where one number is asked for may it come in a tensor of one element.
"""

import contextlib
import difflib
import io
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.arguments import described
from course_utils.exercises.answers import (
    CheckFailed,
    as_float64_tensor,
    call,
    is_float_tensor,
    itself,
    numbers,
    one_by_one,
)
from course_utils.exercises.hints import (
    Close,
    Comparison,
    agrees,
    difference,
    hint_on_exception,
    notebook_names_in,
    worked_case,
)
from course_utils.exercises.time_limit import TimeUp, in_time
from course_utils.session import own_seed


def within(relative: float = 1e-4, absolute: float = 1e-5) -> Close:
    """Closeness in every entry: |answer - right| <= absolute + relative * |right|."""

    def close(answer: Tensor, right: Tensor) -> bool:
        return torch.allclose(answer, right, rtol=relative, atol=absolute, equal_nan=True)

    return close


@dataclass(frozen=True)
class Exercise:
    """What is asked, what is right, and which slips deserve a hint of their own.

    Calling it with an answer returns "Well done: ..." or raises `CheckFailed`.

    Attributes:
        notebook: the number of the notebook that it stands in, as "07" or "07b".
        verified: ends the sentence "Well done: ...".
        tries: draws the inputs from torch's stream, a list of tuples. Answers get copies of their
            own, in which floats of tensors and networks are of type `dtype` (torch's default).
        rule: from one tuple of inputs (there in float64) what is right, and {hint: what that slip
            gives}; each a tensor or a number, or a tuple of them, one for each of `parts`. None
            is a part about which a slip says nothing.
        ask: (answer, *inputs) -> what is compared with what is right.
        parts: names of what an answer consists of, if that is more than one thing.
        close: (answer, right) -> whether two float64 tensors of one shape count as equal.
    """

    notebook: str
    verified: str
    tries: Callable[[], list[tuple]]
    rule: Callable[..., tuple[Any, dict[str, Any]]]
    ask: Callable = call
    parts: tuple[str, ...] = ("",)
    close: Close = field(default_factory=within)
    dtype: torch.dtype | None = None

    def __call__(self, answer: Any) -> str:
        """Praise for a right answer.

        Raises:
            CheckFailed: the answer is not right yet, or takes too long.
        """
        printed, screen = Printed(), sys.stdout
        try:
            with undisturbed(), redirected(printed):
                in_time(lambda: self.judge(answer), screen)
        except TimeUp as problem:
            raise CheckFailed(hint_on_exception(problem, answer)) from None
        finally:  # on stdout, for nbgrader takes text on stderr for a failure
            text = printed.getvalue()
            print(text, end="" if text[-1:] in ("", "\n") else "\n")
        return f"Well done: {self.verified}."

    def inputs(self, seed: int = 0, dtype: torch.dtype | None = None) -> list[tuple]:
        """Fresh inputs, the same for each seed: as answers get them, or these as `dtype`."""
        precision = self.dtype or torch.get_default_dtype()

        def cast(x: Any) -> Any:
            floats = isinstance(x, nn.Module) or is_float_tensor(x)
            return x.to(precision).to(dtype or precision) if floats else x

        with own_seed(seed):
            return [tuple(map(cast, inputs)) for inputs in self.tries()]

    def solve(self) -> tuple[list, dict[str, list]]:
        """What is right, and what each slip gives: for each of the inputs, part by part."""

        def parted(result: Any) -> list[Tensor | None]:
            parts = result if len(self.parts) > 1 else [result]
            return [part if part is None else numbers(part) for part in parts]

        solved = [self.rule(*inputs) for inputs in self.inputs(dtype=torch.float64)]
        slips = {hint: [parted(slips[hint]) for _, slips in solved] for hint in solved[0][1]}
        return [parted(right) for right, _ in solved], slips

    def results_of(self, answer: Any, inputs: tuple) -> list[Tensor]:
        """What an answer gives for some inputs, part by part."""
        first = None
        for change in (itself, as_float64_tensor):  # the latter for code that needs tensors
            try:
                result = self.ask(answer, *map(change, inputs))
                break
            except (CheckFailed, TimeUp, KeyboardInterrupt):
                raise
            # torch.exp(0.5)? (0.5).exp()? float32 @ float64?
            except (TypeError, AttributeError, RuntimeError) as problem:
                first = first or problem
            except BaseException as problem:  # whatever a student's code may raise, exit() too
                raise CheckFailed(hint_on_exception(first or problem, answer, inputs)) from None
        else:
            raise CheckFailed(hint_on_exception(first, answer, inputs))
        if result is None or result is ...:
            raise CheckFailed("It returns nothing: is a `return` missing?")
        if len(self.parts) == 1:
            if isinstance(result, tuple) and len(result) == 1:
                raise CheckFailed("It returns a tuple: is there a comma at the end of a line?")
            return [numbers(result)]
        arrays = isinstance(result, Tensor | np.ndarray) and result.ndim
        if not (isinstance(result, tuple | list) or arrays) or len(result) != len(self.parts):
            raise CheckFailed(f"Expected {len(self.parts)} results: {', '.join(self.parts)}.")
        return [numbers(part, name) for part, name in zip(result, self.parts)]

    def judge(self, answer: Any) -> None:
        """Raise `CheckFailed` unless the answer is right for all inputs."""
        several = isinstance(answer, tuple) and len(answer) == len(self.parts) > 1
        for name, part in zip(self.parts, answer if several else [answer]):
            if part is None or part is ...:
                where = f"{name}: " if several else ""
                raise CheckFailed(f"{where}There is nothing here yet.")
        found = [self.results_of(answer, inputs) for inputs in self.inputs()]
        right, slips = self.solve()
        if self.agree(found, right):
            return
        compared = [
            Comparison(
                [case[i] for case in found],
                [case[i] for case in right],
                self.close,
                self.inputs(),
                answer,
                {hint: [case[i] for case in slip] for hint, slip in slips.items()},
            )
            for i in range(len(self.parts))
        ]
        name, wrong = next(
            (name, it)
            for name, it in zip(self.parts, compared)
            if not self.agree([it.found], [it.right])
        )
        stronger = worked_case(wrong)
        for hint, slip in slips.items():
            if self.agree(found, slip):
                raise CheckFailed(hint, stronger)
        if self.ask in (call, one_by_one):
            self.try_again(answer, found, stronger)
        where = f"{name}: " if name else ""
        raise CheckFailed(where + difference(wrong) + notebook_names_in(answer), stronger)

    def try_again(self, answer: Any, found: list, stronger: str) -> None:
        """Raise `CheckFailed` if a wrong answer is another one the next time.

        Once with the same inputs, and once with theirs changed in the last digits.
        """
        with contextlib.redirect_stdout(Printed()):  # without what it prints
            again = [self.results_of(answer, inputs) for inputs in self.inputs()]
            moved = [self.results_of(answer, moved_a_little(inputs)) for inputs in self.inputs()]
        if not self.agree(again, found):
            raise CheckFailed("It gives something else each time: it must not draw at random.")
        steady = replace(self, close=within(1e-2, 1e-3)).agree(moved, found)
        if not steady and all(x.isfinite().all() for case in found for x in case):
            raise CheckFailed(
                "It gives something else when its inputs change in their last digits. Was a "
                "matrix inverted that has no inverse? Of A, tall and narrow, A.T @ A has one, "
                "A @ A.T has none.",
                stronger,
            )

    def agree(self, found: Sequence, right: Sequence) -> bool:
        """Whether all parts agree for all inputs; None agrees with anything."""
        return all(
            r is None or agrees(f, r, self.close)
            for fs, rs in zip(found, right, strict=True)
            for f, r in zip(fs, rs, strict=True)
        )


def moved_a_little(inputs: tuple) -> tuple:
    """The inputs with their float tensors made larger by a few units of the last digit."""
    return tuple(
        x * (1 + 4 * torch.finfo(x.dtype).eps) if is_float_tensor(x) else x for x in inputs
    )


class Printed(io.StringIO):
    """What was printed, cut after 2,000 characters: an endless loop may print, too."""

    def write(self, text: str) -> int:
        """Keep what there is still room for."""
        return super().write(text[: max(0, 2000 - self.tell())])


@contextlib.contextmanager
def redirected(printed: Printed):
    """Run a block whose prints and warnings are collected."""
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", DeprecationWarning)  # np.exp(tensor), say
        yield


@contextlib.contextmanager
def undisturbed():
    """Run a block with random streams and gradients of its own; all stay as they were.

    The streams are torch's, NumPy's and Python's. Gradients are recorded inside, because an answer
    may need them on a page that has switched them off.
    """
    states = random.getstate(), np.random.get_state()
    with own_seed(0), torch.inference_mode(False):
        try:
            random.seed(0)
            np.random.seed(0)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


CHECKS: dict[str, Exercise] = {}
FAILED: dict[str, int] = {}  # how often in a row an answer to the exercise was wrong


def check(name: str, answer: Any) -> None:
    """Try an answer to an exercise; print a line of praise, or raise `CheckFailed` with a hint.

    From the second wrong answer in a row on, a small case with what is right follows the hint.
    """
    if not isinstance(name, str) or name not in CHECKS:
        near = [known for known in CHECKS if str(name) in known][:5]
        near = near or difflib.get_close_matches(str(name), CHECKS) or sorted(CHECKS)[:3]
        raise KeyError(f"no exercise {described(name)}; there are {', '.join(near)}, ...")
    try:
        print(CHECKS[name](answer))
    except CheckFailed as problem:
        FAILED[name] = FAILED.get(name, 0) + bool(problem.stronger)
        if FAILED[name] < 2:
            raise
        raise CheckFailed(f"{problem.hint}\n\nA second hint: {problem.stronger}") from None
    FAILED.pop(name, None)


def exercise(notebook: int | str, verified: str, tries: Callable, **options: Any) -> Callable:
    """Declare the exercise that has the name of the decorated function, its rule."""

    def declare(rule: Callable) -> Callable:
        CHECKS[rule.__name__] = Exercise(str(notebook).zfill(2), verified, tries, rule, **options)
        return rule

    return declare
