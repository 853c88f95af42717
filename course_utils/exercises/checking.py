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
import ctypes
import dis
import inspect
import io
import math
import random
import textwrap
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.session import own_seed

TIME_LIMIT = 5.0  # seconds for one check; all of them need well under 2


class CheckFailed(AssertionError):
    """An answer that is not right yet; `hint` says what to look at."""

    def __init__(self, hint: str):
        super().__init__(hint)
        self.hint = hint

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows in place of a traceback: the hint in a box."""
        lines = [row for line in self.hint.split("\n") for row in textwrap.wrap(line, 84) or [""]]
        return ["┌─ Not yet " + "─" * 77, *(f"│ {line}" for line in lines), "└" + "─" * 87]


class TimeUp(BaseException):
    """Raised in code that runs too long; no `Exception`, which `except Exception` would catch."""


def within(relative: float = 1e-4, absolute: float = 1e-5) -> Callable[[Tensor, Tensor], bool]:
    """Closeness in every entry: |answer - right| <= absolute + relative * |right|."""

    def close(answer: Tensor, right: Tensor) -> bool:
        return torch.allclose(answer, right, rtol=relative, atol=absolute, equal_nan=True)

    return close


def call(answer: Callable, *inputs: Any) -> Any:
    """What most exercises ask: what does the function give for (copies of) these inputs?"""
    if not callable(answer):
        kind = type(answer).__name__
        raise CheckFailed(f"Expected a function, got {kind}: its name without parentheses?")
    copies = [x.clone() if torch.is_tensor(x) else x for x in inputs]
    result = answer(*copies)
    for name, x, copy in zip(names_of(answer, inputs), inputs, copies):
        if result is not None and torch.is_tensor(x) and not torch.equal(copy.detach(), x):
            raise CheckFailed(
                f"Your function changes {name or 'an argument'} in place, and with it the tensor "
                "of whoever calls it: work on a copy, or without +=, *=, [...] = and names_."
            )
    return result


def one_by_one(answer: Callable, *inputs: Any) -> Any:
    """As `call`; code that takes numbers only (math.log, `if u < 0.5`) gets entry after entry."""
    try:
        return call(answer, *inputs)
    except (TypeError, ValueError, RuntimeError) as problem:
        columns = torch.broadcast_tensors(*map(torch.as_tensor, inputs))
        try:
            return torch.stack([torch.as_tensor(answer(*row)) for row in zip(*columns)])
        except Exception:
            raise problem from None


def itself(answer: Any) -> Any:
    """What pencil and paper found is compared as it is."""
    return answer


@dataclass(frozen=True)
class Exercise:
    """What is asked, what is right, and which slips deserve a hint of their own.

    Calling it with an answer returns "Well done: ..." or raises `CheckFailed`.

    Attributes:
        notebook: the number of the notebook that it stands in.
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

    notebook: int
    verified: str
    tries: Callable[[], list[tuple]]
    rule: Callable[..., tuple[Any, dict[str, Any]]]
    ask: Callable = call
    parts: tuple[str, ...] = ("",)
    close: Callable[[Tensor, Tensor], bool] = field(default_factory=within)
    dtype: torch.dtype | None = None

    def __call__(self, answer: Any) -> str:
        said = Said()
        try:
            with undisturbed(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                warnings.simplefilter("ignore", DeprecationWarning)  # np.exp(tensor), say
                in_time(lambda: self.judge(answer))
        finally:  # on stdout, for nbgrader takes text on stderr for a failure
            print(said.getvalue(), end="" if said.getvalue()[-1:] in ("", "\n") else "\n")
        return f"Well done: {self.verified}."

    def inputs(self, seed: int = 0, dtype: torch.dtype | None = None) -> list[tuple]:
        """Fresh inputs, the same for each seed: as answers get them, or these as `dtype`."""
        given = self.dtype or torch.get_default_dtype()

        def cast(x: Any) -> Any:
            floats = isinstance(x, nn.Module) or is_float_tensor(x)
            return x.to(given).to(dtype or given) if floats else x

        with own_seed(seed):
            return [tuple(map(cast, inputs)) for inputs in self.tries()]

    def solve(self) -> tuple[list, dict[str, list]]:
        """What is right, and what each slip gives: for each of the inputs, part by part."""

        def parted(result: Any) -> list[Tensor | None]:
            parts = result if len(self.parts) > 1 else [result]
            return [part if part is None else numbers(part) for part in parts]

        found = [self.rule(*inputs) for inputs in self.inputs(dtype=torch.float64)]
        slips = {hint: [parted(slips[hint]) for _, slips in found] for hint in found[0][1]}
        return [parted(right) for right, _ in found], slips

    def given(self, answer: Any, inputs: tuple) -> list[Tensor]:
        """What an answer gives for some inputs, part by part."""
        first = None
        for change in (itself, as_float64_tensor):  # the latter for code that needs tensors
            try:
                result = self.ask(answer, *map(change, inputs))
                break
            except CheckFailed:
                raise
            # torch.exp(0.5)? (0.5).exp()? float32 @ float64?
            except (TypeError, AttributeError, RuntimeError) as problem:
                first = first or problem
            except BaseException as problem:  # whatever a student's code may raise, exit() too
                raise CheckFailed(told(first or problem, answer)) from None
        else:
            raise CheckFailed(told(first, answer))
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
        for part, found in zip(self.parts, answer if several else [answer]):
            if found is None or found is ...:
                raise CheckFailed(f"{part}: " * several + "There is nothing here yet.")
        given = [self.given(answer, inputs) for inputs in self.inputs()]
        right, slips = self.solve()
        if self.agree(given, right):
            return
        for hint, slip in slips.items():
            if self.agree(given, slip):
                raise CheckFailed(hint)
        if self.ask in (call, one_by_one):
            with contextlib.redirect_stdout(Said()):  # once more, without what it prints
                again = [self.given(answer, inputs) for inputs in self.inputs()]
            if not self.agree(again, given):
                raise CheckFailed("It gives something else each time: it must not draw at random.")
        for part, g, r in zip(self.parts, zip(*given), zip(*right)):
            if not self.agree([g], [r]):
                hint = self.difference(g, r, answer) + notebook_names_in(answer)
                raise CheckFailed(f"{part}: " * bool(part) + hint)

    def agree(self, given: Sequence, right: Sequence) -> bool:
        """Whether all parts agree for all inputs; None agrees with anything."""
        return all(
            r is None or (fits(g, r) and self.close(g.double().reshape(r.shape), r.double()))
            for gs, rs in zip(given, right, strict=True)
            for g, r in zip(gs, rs, strict=True)
        )

    def difference(self, given: Sequence[Tensor], right: Sequence[Tensor], answer: Any) -> str:
        """What differs between one part of an answer and the right one, where no slip fits."""
        for g, r in zip(given, right):
            if not fits(g, r):
                return misfit(g, r)
        tries = self.inputs()
        g, r = (torch.cat([x.double().flatten() for x in xs]) for xs in (given, right))
        if (r.isfinite() & ~g.isfinite()).any():
            return "NaN or infinity instead of a number: log 0, 0 / 0, exp of a large number?"
        if self.close(g, -r):
            return "The size is right, the sign is not."
        factor = ((g * r).sum() / (r * r).sum()).item()
        if len(r) > 1 and factor and self.close(g / factor, r):
            units = {1 / math.log(2): ": bits for nats?", math.log(2): ": nats for bits?"}
            unit = next((u for size, u in units.items() if abs(factor - size) < 1e-3), ".")
            return (
                f"A factor is off: yours is {factor:.4g} times the right answer throughout{unit}"
            )
        for n in sizes_in(tries):
            for hint, wrong in [
                ("A mean where a sum belongs? Yours is divided by {}.", lambda r, k: r / k),
                ("A sum where a mean belongs? Yours is multiplied by {}.", lambda r, k: r * k),
            ]:
                if self.agree([given], [[wrong(r, k) for r, k in zip(right, n)]]):
                    return hint.format(", ".join(map(str, dict.fromkeys(n))))
        for hint, wrong in {
            "That is the square of the right answer.": r.square(),
            "That is the root of the right answer.": r.sqrt(),
            "A logarithm is missing.": r.exp(),
            "That is the logarithm of the right answer.": r.log(),
            "Upside down: that is one over the right answer.": 1 / r,
        }.items():
            if self.close(g, wrong):
                return hint
        if len(r) > 2 and self.close(g - (g - r).mean(), r):
            return "A term is missing or one too many: the difference is the same throughout."
        if not any(x.is_floating_point() for x in given) and not self.close(r.round(), r):
            return "Whole numbers, where fractions belong: an integer dtype, or // for / ?"
        pairs = list(zip(given, right))
        if all(self.close(*(x.double().flatten().sort()[0] for x in pair)) for pair in pairs):
            return "The right numbers in another order: a transpose, a sort, a swapped argument?"
        if not tries[0] or not callable(answer):
            return "Another number. Check each step."
        same = [torch.equal(g, given[0]) for g in given]
        if all(same) and len(given) > 2 and not torch.equal(right[0], right[1]):
            return "It gives the same whatever it is called with. Where do its arguments come in?"
        wrong = [i for i, (g, r) in enumerate(pairs) if not self.agree([[g]], [[r]])]
        fine = [i for i in range(len(pairs)) if i not in wrong]
        text = "The shape is right, the numbers are not" if right[0].dim() else "Another number"
        text += f", for {described(answer, tries[wrong[0]])}"
        if fine:
            text += f"; right for {described(answer, tries[fine[0]])}"
        return f"{text} ({len(wrong)} of {len(given)} tries). Do a small case by hand."


def names_of(answer: Any, inputs: Sequence) -> list[str]:
    """The names that a function gives to its arguments, as text; empty where they are unknown."""
    with contextlib.suppress(Exception):  # builtins have none; a stranger's attributes may raise
        names = list(inspect.signature(answer).parameters)
        if len(names) >= len(inputs):
            return [f"`{name}`" for name in names]
    return [""] * len(inputs)


def described(answer: Any, inputs: Sequence) -> str:
    """What a function was called with: small numbers, and the shapes of tensors."""
    said = []
    for name, x in zip(names_of(answer, inputs), inputs):
        if is_float_tensor(x) and x.dim():
            said.append(f"{name} of shape {tuple(x.shape)}".strip())
        elif isinstance(x, int | float) or (torch.is_tensor(x) and not x.dim()):
            said.append(f"{name} = {float(x):.4g}" if name else f"{float(x):.4g}")
    return ", ".join(said) or "some inputs"


def sizes_in(tries: Sequence[tuple]) -> list[list[int]]:
    """Each axis of each tensor, and each whole number, among the inputs: its size in every try."""
    found = []
    for values in zip(*tries):
        if all(torch.is_tensor(x) and x.dim() == values[0].dim() for x in values):
            found += [list(shape) for shape in zip(*(x.shape for x in values))]
        elif all(isinstance(x, int) for x in values):
            found.append(list(values))
    return [n for n in found if max(n) > 1 and min(n) > 0]


def notebook_names_in(answer: Any) -> str:
    """A remark on numbers and tensors that come from the notebook and not from the arguments."""
    found = {}
    for function in functions_of(answer):
        codes = [function.__code__]
        for code in codes:  # and what is defined inside
            codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
            names = [s.argval for s in dis.get_instructions(code) if s.opname == "LOAD_GLOBAL"]
            found |= {name: function.__globals__.get(name) for name in names}
    data = [k for k, v in found.items() if isinstance(v, int | float | Tensor | np.ndarray)]
    names = ", ".join(f"`{name}`" for name in data)
    return f" And {names} is the notebook's, not one of the arguments." if data else ""


def functions_of(answer: Any) -> list:
    """The functions that an answer consists of: itself, those in a tuple, a class's methods."""
    several = answer if isinstance(answer, tuple | list) else [answer]
    things = [*several, *getattr(answer, "__dict__", {}).values()]
    return [thing for thing in things if isinstance(thing, FunctionType)]


class Said(io.StringIO):
    """What was printed, cut after 2,000 characters: an endless loop may print, too."""

    def write(self, text: str) -> int:
        return super().write(text[: max(0, 2000 - self.tell())])


@contextlib.contextmanager
def undisturbed():
    """Run a block with random streams of its own: torch's, NumPy's, Python's stay as they were."""
    states = random.getstate(), np.random.get_state()
    with own_seed(0), warnings.catch_warnings():
        try:
            random.seed(0)
            np.random.seed(0)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def in_time(work: Callable[[], None]) -> None:
    """Run work() in a thread, and cut that when the time is up; raises what work raises."""
    ends: list[BaseException | None] = []
    over = threading.Event()  # an interrupted `join` believes that the thread has ended

    def run() -> None:
        try:
            work()
            ends.append(None)
        except BaseException as problem:
            ends.append(problem)
        over.set()

    thread = threading.Thread(target=run, name="the answer", daemon=True)
    thread.start()
    try:
        over.wait(TIME_LIMIT)
    finally:  # also when the student interrupts the kernel
        for _ in range(10):  # more than once, because a bare `except:` swallows it
            if over.is_set() or ends:
                break
            cut = ctypes.pythonapi.PyThreadState_SetAsyncExc
            cut(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeUp))
            over.wait(0.25)
    if not ends:
        raise CheckFailed(
            f"Not finished after {TIME_LIMIT:.0f} seconds, and it cannot be stopped from here: "
            "please restart the kernel. Is there a loop that never ends?"
        )
    if ends[0] is not None:
        raise ends[0]


def told(problem: BaseException, answer: Any) -> str:
    """A hint on an exception in the student's code: its name, and the line that it came from."""
    if isinstance(problem, NotImplementedError) and str(problem)[:8] in ("", "Exercise"):  # ours
        return f"Nothing is written here yet, or the line with the error still stands. {problem}"
    files = {function.__code__.co_filename for function in functions_of(answer)}
    frames = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename in files]
    where = f" in line {frames[-1].lineno}, `{frames[-1].line}`" if frames else ""
    if isinstance(problem, TimeUp):
        return f"Stopped after {TIME_LIMIT:.0f} seconds{where}. Is there a loop that never ends?"
    said = textwrap.shorten(str(problem), 300, placeholder=" ...")
    if "Boolean value of Tensor" in said:
        said += " (`not`, `and`, `or`, `if` take one value; for tensors: ~, &, |, torch.where)"
    return f"Your code stops with {type(problem).__name__}{where}: {said}"


def as_float64_tensor(x: Any) -> Any:
    """The same input for code that takes nothing but tensors, or brings float64 of its own."""
    if isinstance(x, float):
        return torch.tensor(x, dtype=torch.float64)
    return x.double() if isinstance(x, nn.Module) or is_float_tensor(x) else x


def is_float_tensor(x: Any) -> bool:
    return torch.is_tensor(x) and x.is_floating_point()


def numbers(value: Any, name: str = "") -> Tensor:
    """Anything numeric as a tensor on the CPU; other things get a hint that names the part."""
    where = f"{name}: " * bool(name)
    if value is None:
        raise CheckFailed(f"{where}It returns nothing: is a `return` missing?")
    with contextlib.suppress(Exception):  # whatever a stranger's attributes may raise
        if not torch.is_tensor(value):
            array = np.asarray(value)  # of objects: fractions, say
            value = torch.as_tensor(array.astype(float) if array.dtype == object else array)
        if not value.is_complex():
            return value.detach().cpu()
    kind = "complex numbers" if torch.is_tensor(value) else type(value).__name__
    raise CheckFailed(f"{where}Expected a number or a tensor, got {kind}.")


def fits(given: Tensor, right: Tensor) -> bool:
    """Whether shape and kind agree; the kind is truth values, where these are asked for."""
    kinds = (given.dtype == torch.bool) == (right.dtype == torch.bool)
    return kinds and (given.shape == right.shape or given.numel() == right.numel() == 1)


def misfit(given: Tensor, right: Tensor) -> str:
    """What is wrong where `fits` says no."""
    came, wanted = tuple(given.shape), tuple(right.shape)
    if came == wanted:
        kind = "truth values" if right.dtype == torch.bool else "numbers"
        return f"Expected {kind}, got {given.dtype}."
    hint = f"Expected {f'shape {wanted}' if wanted else 'one number'}, got shape {came}."
    if given.squeeze().shape == right.squeeze().shape:
        hint += " An axis of length 1 is too many or missing: look for keepdim, unsqueeze, None."
    return hint


CHECKS: dict[str, Exercise] = {}


def check(name: str, answer: Any) -> None:
    """Try an answer to an exercise; print a line of praise, or raise `CheckFailed` with a hint."""
    if name not in CHECKS:
        raise KeyError(f"no exercise {name!r}; there are {', '.join(CHECKS)}")
    print(CHECKS[name](answer))


def exercise(notebook: int, verified: str, tries: Callable, **options: Any) -> Callable:
    """Declare the exercise that has the name of the decorated function, its rule."""

    def declare(rule: Callable) -> Callable:
        CHECKS[rule.__name__] = Exercise(notebook, verified, tries, rule, **options)
        return rule

    return declare
