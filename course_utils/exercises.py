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
from torch.distributions import Categorical, MultivariateNormal, Normal, kl_divergence

from course_utils.session import own_seed

TIME_LIMIT = 5.0  # seconds for one check; all of them need well under 2

# --- the framework -------------------------------------------------------------------------------


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


def uniform(low: float, high: float) -> float:
    """A random Python number."""
    return low + (high - low) * torch.rand(()).item()


def eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


# --- 00 ------------------------------------------------------------------------------------------


@exercise(
    0,
    "8 bits for uniform pixels, one bit less for each log 2 of density and dimension",
    lambda: [(0.0, 784), (784 * math.log(2), 784), (-55.5, 1), (uniform(-2e3, 2e3), 3072)],
)
def bits_per_dimension(log_p, D):
    bits = log_p / D / math.log(2)
    return 8 - bits, {
        "The density of v = 256 x is not that of x. What must uniform pixels cost?": -bits,
        "That is in nats; a bit is log 2 nats.": (8 - bits) * math.log(2),
        "Check a sign: a higher density must cost fewer bits.": 8 + bits,
        "Only one of the D pixels was rescaled by 256.": 8 / D - bits,
        "That is the cost of the whole image, not of one dimension.": (8 - bits) * D,
        "Here v = 256 x, not 255 x.": math.log2(255) - bits,
        "The same mass on a range 256 times as wide: is the density of v higher?": -8 - bits,
    }


class TwoClasses(nn.Module):
    """Ten logits, linear in 784 pixels; eight never count. There one step is the best attack."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(10, 784).double() / 28)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T - 1e4 * (torch.arange(10) > 1)

    def slope(self, x: Tensor, y: Tensor) -> Tensor:
        """The gradient of the log-probability of class y, (B, 784)."""
        others = 1 - self(x).softmax(1).gather(1, y[:, None])
        return (others * (self.weight[y] - self.weight[1 - y])).detach()


def attack(targeted: Callable, classifier: nn.Module, x: Tensor, target: Tensor, size: float):
    moved = call(targeted, classifier, x, target, size)
    if isinstance(moved, tuple | list) and len(moved) != len(x):
        raise CheckFailed(f"It returns {len(moved)} things; return the changed images alone.")
    if moved is not None and fits(numbers(moved), x):
        if (numbers(moved) - x).abs().max() > size + 1e-5:
            raise CheckFailed("A pixel moved by more than epsilon.")
        if numbers(moved).min() < 0 or numbers(moved).max() > 1:
            raise CheckFailed("Some pixels left [0, 1].")
    return moved


@exercise(
    0,
    "no pixel moved by more than epsilon or left [0, 1], no attack on a linear model does better",
    lambda: [
        (TwoClasses(), torch.rand(6, 784).round(decimals=1), torch.arange(6) % 2, 0.1),
        (TwoClasses(), torch.rand(1, 784), torch.tensor([1]), 0.02),
    ],
    ask=attack,
    close=within(1e-4, 1e-4),
)
def targeted(classifier, x, target, epsilon):
    def moved(direction):
        return (x + epsilon * direction).clamp(0, 1)

    up, seen = classifier.slope(x, target), classifier(x).argmax(1)
    away, logit = -classifier.slope(x, seen), classifier.weight[target].detach()
    return moved(up.sign()), {
        "The target becomes *less* probable: you go down where to climb.": moved(-up.sign()),
        "That is the gradient itself; its sign uses all of epsilon in every pixel.": moved(up),
        "You climb towards the class that is seen already, not towards `target`.": (
            moved(classifier.slope(x, seen).sign())
        ),
        "You go away from what the classifier sees now; the goal is `target`.": moved(away.sign()),
        "A step of length epsilon for the whole image; each *pixel* may move by epsilon.": (
            moved(up / up.norm(dim=1, keepdim=True))
        ),
        "A logit alone is no log-probability: the other logits count, too.": moved(logit.sign()),
        "All images move in one direction; each needs its own gradient.": moved(up.sum(0).sign()),
        "Nothing moved.": x,
    }


RING = torch.cartesian_prod(*[torch.tensor([0, 1])] * 4)  # all images of four pixels
AGREEING = (RING.roll(1, 1) == RING).sum(1).double()  # agreeing pairs of neighbours in each


@exercise(
    0,
    "all 16 images added up, for five values of J",
    lambda: [(-1.0,), (0.0,), (0.7,), (2.0,), (uniform(-2, 2),)],
)
def ring_of_four(J):
    e, physics = math.exp(J), (J * (2 * AGREEING - 4)).exp().sum()
    return (J * AGREEING).exp().sum(), {
        "That is an open chain, with three pairs; a ring of four has four.": 2 * (1 + e) ** 3,
        "Each case counts once in your sum. How many images are there of each?": e**4 + e**2 + 1,
        "Here a disagreeing pair contributes 1, not exp(-J).": physics,
        "A trace adds the fourth powers of both eigenvalues; one is missing.": (e + 1) ** 4,
        "Round a ring, the last pair is not free to agree or not.": 2 * (1 + e) ** 4,
        "Count again: how many of the 16 images have exactly two agreeing pairs?": (
            2 * e**4 + 8 * e**2 + 6
        ),
        "Four pairs, not eight: count each pair only once.": 2 * e**8 + 12 * e**4 + 2,
        "Only images with four agreeing pairs. (T**4 works entry by entry.)": 2 * e**4,
        "T three times is a ring of three pixels.": (e + 1) ** 3 + (e - 1) ** 3,
        "An agreeing pair contributes e^J, not J.": (J + 1) ** 4 + (J - 1) ** 4,
    }


@exercise(
    0,
    "Q rises no more in any variance, in 1, 2 and 5 dimensions",
    lambda: [
        (torch.randn(N, K).softmax(1), torch.randn(N, D), torch.randn(K, D))
        for N, K, D in [(60, 3, 2), (40, 4, 1), (50, 2, 5)]
    ],
)
def best_variances(r, x, mu):
    weight, D = r.sum(0), x.shape[1]
    squares = (x**2).sum(1)[:, None] - 2 * x @ mu.T + (mu**2).sum(1)  # |x - mu|^2, multiplied out
    total, kinds = (r * squares).sum(0) / D, len(mu)
    hard = nn.functional.one_hot(r.argmax(1), kinds)
    spread = (r.T @ x**2 / weight[:, None] - (r.T @ x / weight[:, None]) ** 2).mean(1)
    return total / weight, {
        "Q still rises: each point brings D squares, and D log-variances.": D * total / weight,
        "Divide by the weight of the component, not by the number of points.": total / len(x),
        "Those are standard deviations; the variances are asked for.": (total / weight).sqrt(),
        "All points count the same. Where are the responsibilities?": squares.mean(0) / D,
        "Distances, where their squares belong.": (r * squares.sqrt()).sum(0) / weight / D,
        "That is a sum over the points. How much do they weigh together?": total,
        "`mu` is given: measure from it, not from new means.": spread,
        "Divide by the dimension of x, not by the number of components.": (
            D * total / weight / kinds
        ),
        "Responsibilities are shares: do not give each point to one component.": (
            (hard * squares).sum(0) / hard.sum(0) / D
        ),
        "Square the distances, not the responsibilities.": (r**2 * squares).sum(0) / weight / D,
    }


@exercise(
    0,
    "the mean fall under noise over that under the attack, for three batches",
    lambda: [  # some scores rise; the share may be above 1, or below 0
        tuple(-20 - fall - 40 * torch.rand(B) for fall in (0, attack, noise))
        for B, attack, noise in [(40, 30, 20), (7, 20, 60), (1, 50, -60)]
    ],
)
def share_explained_by_noise(clean, attacked, shaken):
    c, a, s = clean.mean(), attacked.mean(), shaken.mean()
    each = (clean - shaken) / (clean - attacked)
    plain = (clean.exp() - shaken.exp()).mean() / (clean.exp() - attacked.exp()).mean()
    sizes = (clean - shaken).abs().mean() / (clean - attacked).abs().mean()
    return (c - s) / (c - a), {
        "Upside down: the fall under noise over the fall under the attack.": (c - a) / (c - s),
        "A mean of ratios. The text asks for the ratio of two means.": each.mean(),
        "A ratio for each image. The text asks for the ratio of two means.": each,
        "A ratio of log-densities says nothing; compare their *falls*.": s / a,
        "Both falls start from `clean`.": (c - s) / (s - a),
        "That is the share that noise does *not* explain.": (s - a) / (c - a),
        "Python divides before it subtracts: brackets.": c - s / c - a,
        "The arguments are log-densities already; compare their falls: no exp.": plain,
        "A score that rises has a negative fall: no absolute values.": sizes,
        "The number may lie outside [0, 1]: do not cut it.": ((c - s) / (c - a)).clamp(0, 1),
    }


# --- 01 ------------------------------------------------------------------------------------------


@exercise(
    1,
    "from one component to all of them, for four spectra",
    lambda: [
        (torch.rand(D).sort(descending=True)[0] ** 2, M)
        for D, M in [(10, 1), (10, 4), (10, 10), (64, 9)]
    ],
)
def share_explained(eigenvalues, M):
    share, twice = eigenvalues / sum(eigenvalues.tolist()), eigenvalues**2
    return share.cumsum(0)[M - 1], {
        "One component too many.": share[: M + 1].sum(),
        "One component too few.": share[: M - 1].sum(),
        "Those are the M *smallest*: here the largest come first.": share[-M:].sum(),
        "That is the share that is *lost*.": share[M:].sum(),
        "Eigenvalues of S are variances already: do not square.": twice[:M].sum() / twice.sum(),
        "The share of the M-th component alone; add up the first M.": share[M - 1],
        "A variance, not yet a share of the total.": eigenvalues[:M].sum(),
        "A ratio of two means; compare sums.": share[:M].mean() * len(share),
        "Kept against lost; a share is kept against *all*.": share[:M].sum() / share[M:].sum(),
        "A share of the *number* of components; they differ in variance.": M / len(share),
    }


@exercise(
    1,
    "only missing pixels count, for holes of every size, none included",
    lambda: [
        (torch.rand(B, D), torch.rand(B, D), (torch.rand(B, D) < share).float())
        for B, D, share in [(5, 784, 0.8), (3, 20, 0.5), (1, 30, 0.1), (2, 20, 1.0)]
    ],
)
def hole_loss(x, x_hat, mask):
    square = (x - x_hat) ** 2
    right = torch.stack([s[m == 0].sum() for s, m in zip(square, mask)])
    missing, difference = (1 - mask).sum(1), (1 - mask) * (x - x_hat)
    return right, {
        "You charge for the *observed* pixels: the mask is 1 there.": (square * mask).sum(1),
        "You charge for all pixels; the mask has no effect.": square.sum(1),
        "A mean over the pixels. The text asks for a sum.": right / x.shape[1],
        "One number for the whole batch; each image needs its own.": right.sum(),
        "Distances without the square.": ((1 - mask) * square.sqrt()).sum(1),
        "Summed over the images (axis 0) and not over the pixels.": ((1 - mask) * square).sum(0),
        "Only x is masked: x_hat still counts everywhere.": (
            ((1 - mask) * x - x_hat).square().sum(1)
        ),
        "Compare with the whole x: where pixels are missing, the masked image says 0.": (
            ((1 - mask) * x_hat).square().sum(1)
        ),
        "Square each difference first, then sum.": difference.sum(1).square(),
        "The square is missing: differences of opposite signs cancel.": difference.sum(1),
        "Not per missing pixel: the text asks for a sum.": (
            right / missing if missing.all() else None  # 0 / 0, unless that is prevented
        ),
    }


@exercise(
    1,
    "with this c the mean of x - WVx - c is zero, and the error is that on centred data",
    lambda: [
        (torch.randn(D, M), torch.randn(M, D), torch.randn(D)) for D, M in [(7, 2), (5, 1), (4, 4)]
    ],
    dtype=torch.float64,
)
def best_bias(W, V, x_bar):
    x = x_bar + torch.cat([3 * eye(len(W)), -3 * eye(len(W))])  # any data with this mean
    kept, best = W @ V @ x_bar, W @ torch.linalg.pinv(W) @ x_bar
    return (x - x @ (W @ V).T).mean(0), {
        "Without a code that would be right; but WV, too, acts on the mean.": x_bar,
        "What the code makes of the mean is taken away; now put the mean back.": -kept,
        "c is what WV *leaves* of the mean, not what it keeps.": kept,
        "A sign: c is added to WVx. Where WVx is too large, c must be smaller.": x_bar + kept,
        "Without a bias: right for centred data only.": 0 * x_bar,
        "x_bar @ W @ V applies the transpose of WV.": x_bar - x_bar @ W @ V,
        "V is given, and need not be the transpose of W.": x_bar - W @ W.T @ x_bar,
        "V is given, and need not be the best one for W.": x_bar - best,
    }


@exercise(
    1,
    "the least squares codes, for oblique and for square W",
    lambda: [(torch.randn(D, M),) for D, M in [(7, 3), (9, 1), (4, 4)]],
    dtype=torch.float64,
)
def best_encoder(W):
    V = torch.linalg.pinv(W)  # from a singular value decomposition
    return V, {
        "W^T alone is enough only if the columns of W are orthonormal.": W.T,
        "The inverse is missing: V solves (W^T W) V = W^T.": W.T @ W @ W.T,
        "Scaled columns are enough only if they are orthogonal.": W.T / (W**2).sum(0)[:, None],
        "The wrong way round: V takes x (D,) to z (M,).": V.T,
        "That is the projection WV; only V is asked for.": W @ V,
        "1 / ... and ** -1 work entry by entry, not on the matrix.": 1 / (W.T @ W) @ W.T,
        "Dividing by one number is enough only if W has one column.": W.T / (W**2).sum(),
        "You add something to W^T W; here only the error counts.": (
            torch.linalg.inv(W.T @ W + eye(W.shape[1])) @ W.T
        ),
    }


@exercise(
    1,
    "G from the eigenvectors of S, and the error of this G added up from its two terms",
    lambda: [
        (torch.cov(torch.randn(D, 3 * D)), sigma) for D, sigma in [(6, 0.5), (4, 2.0), (9, 0.3)]
    ],
    parts=("G", "error"),
    dtype=torch.float64,
)
def linear_denoiser(S, sigma):
    values, U = torch.linalg.eigh(S)
    G, too_plain = (U @ (values / (values + s)).diag() @ U.T for s in (sigma**2, sigma))
    lost, noise = eye(len(S)) - G, sigma**2 * (G**2).sum()
    blur = (lost @ S @ lost.T).trace()
    return (G, blur + noise), {
        "G: the noise has the variance sigma squared.": (too_plain, None),
        "G: the inverse is there; what does it multiply?": (lost / sigma**2, None),
        "G: that is what is taken away, I - G.": (lost, None),
        "G: the noise of different pixels is independent: add to the diagonal only.": (
            S @ torch.linalg.inv(S + sigma**2),
            None,
        ),
        "G: S / ... divides entry by entry; a matrix inverse is meant.": (
            S / (S + sigma**2 * eye(len(S))),
            None,
        ),
        "G: the other matrix is to be inverted.": (
            eye(len(S)) + sigma**2 * torch.linalg.inv(S),
            None,
        ),
        "error: only the noise that passes G; what G blurs away of x is missing.": (None, noise),
        "error: only what G blurs away; the noise that passes G is missing.": (None, blur),
        "error: the trace needs a factor: without noise there is no error.": (None, G.trace()),
        "error: sigma, where its square belongs.": (None, sigma * G.trace()),
        "error: a trace adds the diagonal, not all entries.": (None, sigma**2 * G.sum()),
    }


# --- 02 ------------------------------------------------------------------------------------------


@exercise(
    2,
    "the diagonal of the full covariance, for three sizes",
    lambda: [(torch.randn(D, M), var) for D, M, var in [(7, 3, 0.4), (4, 1, 2.5), (5, 5, 0.01)]],
)
def pixel_std(W, var):
    right = (W @ W.T + var * eye(len(W))).diagonal().sqrt()
    return right, {
        "Those are variances; standard deviations are asked for.": right**2,
        "The noise has a share in x, too.": (W**2).sum(1).sqrt(),
        "Variances add, standard deviations do not.": (W**2).sum(1).sqrt() + var**0.5,
        "`var` is sigma squared already.": ((W**2).sum(1) + var**2).sqrt(),
        "One number for each *latent*: sum along the other axis.": ((W**2).sum(0) + var).sqrt(),
        "Entries of W spread x whatever their sign.": (W.sum(1) ** 2 + var).sqrt(),
        "Each latent adds its share: no mean.": ((W**2).mean(1) + var).sqrt(),
        "The noise comes once, not once for each latent.": (W**2 + var).sum(1).sqrt(),
        "The latents spread x, too, not only the noise.": torch.full((len(W),), var).sqrt(),
        "That is how the numbers in W scatter, not how x does.": (
            W.std(1) if W.shape[1] > 1 else None
        ),
    }


@exercise(
    2,
    "all four numbers, by conditioning the Gaussian of (z, x)",
    lambda: [()],
    ask=itself,
    parts=("A_11", "posterior_mean", "posterior_variance", "determinant_of_C"),
    close=within(0, 0.005),
)
def two_pixels():
    joint = torch.tensor([[1.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 2.0]])  # of z, x_1, x_2
    gain = joint[0, 1:] @ joint[1:, 1:].inverse()
    mean, variance = gain @ torch.tensor([3.0, 0.0]), joint[0, 0] - gain @ joint[1:, 0]
    # sigma is 1: A is the precision of z given x
    return (joint.inverse()[0, 0], mean, variance, torch.linalg.eigvalsh(joint[1:, 1:]).prod()), {
        "A_11: W^T W is there; what does the noise add?": (2, None, None, None),
        "posterior_mean: W^T x is there; A is still missing.": (None, 3, None, None),
        "posterior_mean: least squares; the prior pulls it towards 0.": (None, 1.5, None, None),
        "posterior_variance: seeing x makes *surer*. A, or its inverse?": (None, None, 3, None),
        "posterior_variance: that is its root.": (None, None, 3**-0.5, None),
        "posterior_variance: more digits, or a fraction.": (None, None, 0.3, None),
        "posterior_variance: as large as before x was seen.": (None, None, 1, None),
        "determinant_of_C: W W^T alone is singular; C has the noise, too.": (None, None, None, 0),
        "determinant_of_C: the diagonal alone; C has other entries, too.": (None, None, None, 4),
        "determinant_of_C: a sign between the two diagonals.": (None, None, None, 5),
    }


DRAWS = 20_000  # as many as a loop over draws can do in time


def posterior_of(x: Tensor, W: Tensor, mu: Tensor, var: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of z given x, by conditioning their joint Gaussian (PRML 2.81, 2.82)."""
    gain = W.T @ torch.linalg.inv(W @ W.T + var * eye(len(W)))
    return gain @ (x - mu), eye(W.shape[1]) - gain @ W


def moments_of_draws(draw_codes: Callable, *inputs: Any) -> tuple[Tensor, ...] | None:
    """Mean, covariance and mean size, in coordinates in which the posterior has 0 and I."""
    draws = call(draw_codes, *inputs, DRAWS)
    if draws is None:
        return None
    draws, M = numbers(draws).double(), inputs[1].shape[1]
    if draws.shape != (DRAWS, M):
        raise CheckFailed(misfit(draws, torch.empty(DRAWS, M)))
    if draws.isnan().any():
        raise CheckFailed(
            "NaN among the draws: the root of each entry is not the root of a matrix."
        )
    if len(draws.unique(dim=0)) > 1:
        few, again = (numbers(call(draw_codes, *inputs, 5)) for _ in range(2))
        if torch.equal(few, again):
            raise CheckFailed("Each call gives the same draws: is there a seed inside?")
    mean, cov = posterior_of(*(x.double() if torch.is_tensor(x) else x for x in inputs))
    draws = (draws - mean) @ torch.linalg.cholesky(cov).inverse().T
    return draws.mean(0), draws.T.cov(), draws.abs().mean(0)


def within_noise(measured: Tensor, right: Tensor) -> bool:
    """Within 4.5 standard errors; a variance v is measured with an error of v sqrt(2 / DRAWS)."""
    error = math.sqrt(2 / DRAWS) * max(1.0, right.abs().max().item())
    return bool((measured - right).abs().max() < 4.5 * error)


@exercise(
    2,
    f"mean and covariance of {DRAWS:,} draws for each of two models, to 4.5 standard errors",
    lambda: [
        (
            torch.tensor([3.0, 1.0, 0.0]),
            torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),  # oblique: z_1 and z_2 correlate
            torch.zeros(3),
            0.5,
        ),
        (torch.randn(4), torch.randn(4, 3), torch.randn(4), 2.0),
    ],
    ask=moments_of_draws,
    parts=("mean of the draws", "covariance of the draws", "size of the draws"),
    close=within_noise,
)
def draw_codes(x, W, mu, var):
    mean, cov = posterior_of(x, W, mu, var)
    F = torch.linalg.cholesky(cov)
    root, I = F.inverse(), eye(len(cov))
    squared, turned, alone, precise = (
        root @ C @ root.T for C in (cov @ cov, F.T @ F, cov.diagonal().diag(), cov.inverse())
    )
    shift, size = root @ (posterior_of(x, W, 0 * mu, var)[0] - mean), 0 * mean + 1
    uniform = 0.75**0.5 * size  # of variance 1
    return (0 * mean, I, math.sqrt(2 / math.pi) * size), {
        "The noise is missing, or all draws share one.": (None, 0 * I, None),
        "Noise times the covariance; its root F belongs there.": (None, squared, None),
        "F or its transpose? Here each *row* of noise is multiplied.": (None, turned, None),
        "The entries of z must vary together, as cov says.": (None, alone, None),
        "The noise is right, but the mean of the posterior is missing.": (-root @ mean, I, None),
        "Those are draws from the prior: x has told nothing.": (-root @ mean, root @ root.T, None),
        "The noise is right; the mean has the wrong sign.": (-2 * root @ mean, I, None),
        "The noise is right; the mean lacks `mu`.": (shift, I, None),
        "That is the root of the precision; F is one of the covariance.": (None, precise, None),
        "The noise is uniform on [0, 1], not standard normal.": (size / 2, I / 12, None),
        "Mean and covariance are right, but the noise is not normal.": (0 * mean, I, uniform),
    }


@exercise(
    2,
    "H(z) - H(z|x) from two covariance matrices, for five pairs of W and sigma^2",
    lambda: [
        (torch.randn(D, M), var)
        for D, M, var in [(7, 3, 0.1), (7, 3, 1.0), (7, 3, 10.0), (5, 1, 0.5), (4, 4, 2.0)]
    ],
)
def information(W, var):
    M, half_log = W.shape[1], math.log(var) / 2
    _, cov = posterior_of(W[:, 0], W, W[:, 0], var)
    right = -torch.logdet(cov) / 2  # H(z) - H(z|x): log|I| is 0
    A = W.T @ W + var * eye(M)
    return right, {
        "The factor ½ is missing.": 2 * right,
        "H(x|z) is missing: with much noise x tells little about z.": right + M * half_log,
        "M or D? A has M eigenvalues.": right + (M - len(W)) * half_log,
        "One log sigma^2 for each of the M latents.": right + (M - 1) * half_log,
        "log sigma^2 counts twice: `var` is sigma squared already, and ½ is for both terms.": (
            right - M * half_log
        ),
        "C is D x D; the formula has A, which is M x M.": right + (len(W) - M) * half_log,
        "A consists of two terms; the noise is missing.": torch.logdet(W.T @ W) / 2 - M * half_log,
        "|A| without its logarithm.": torch.det(A) / 2 - M * half_log,
        "That is H(x) alone; H(x|z) is still to be taken away.": (
            right + len(W) * (half_log + math.log(2 * math.pi * math.e) / 2)
        ),
        "A sign: more noise must mean less information.": right + 2 * M * half_log,
        "In bits; the text asks for nats.": right / math.log(2),
    }


@exercise(
    2,
    "against conditioning of the full covariance, for three ways to hide entries",
    lambda: [
        (torch.randn(H, M), torch.randn(S, M), var)
        for H, S, M, var in [(4, 6, 3, 0.5), (2, 1, 3, 2.0), (5, 5, 1, 0.1)]
    ],
)
def hidden_covariance(W_h, W_s, var):
    C_hh, noise = W_h @ W_h.T + var * eye(len(W_h)), var * eye(len(W_h))
    known = W_h @ W_s.T @ torch.linalg.solve(W_s @ W_s.T + var * eye(len(W_s)), W_s @ W_h.T)
    A, A_h = (W.T @ W + var * eye(W.shape[1]) for W in (W_s, W_h))
    inflated, own = var * W_h @ A @ W_h.T + noise, var * W_h @ A_h.inverse() @ W_h.T + noise
    return C_hh - known, {  # PRML 2.82
        "Two things are uncertain: z, and the noise of x_h itself.": C_hh - known - noise,
        "The covariance of z given x_s is not A^-1 alone.": W_h @ A.inverse() @ W_h.T + noise,
        "The inverse of A belongs there: who has seen x_s must be surer.": inflated,
        "That is the covariance of x_h before anything is seen.": C_hh,
        "A belongs to what is *seen*: build it from W_s.": own,
        "`var` is sigma squared already.": C_hh - known + (var - 1) * noise,
        "A is built from all rows, as if x_h had been seen.": (
            var * W_h @ (A + W_h.T @ W_h).inverse() @ W_h.T + noise
        ),
        "`+ var` changes every entry; the noise of two pixels has no covariance.": (
            C_hh - known - noise + var
        ),
        "That is what x_s explains; the rest is asked for.": known,
        "A sign: who has seen x_s cannot be less sure.": C_hh + known,
    }


# --- 03 ------------------------------------------------------------------------------------------


NODES, WEIGHTS = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(100))


def normal_average(f: Callable[[Tensor], Tensor], mu: float = 0.0, std: float = 1.0) -> Tensor:
    """E[f(z)] for z ~ N(mu, std²) and a smooth f, by Gauss-Hermite quadrature."""
    return (WEIGHTS * f(mu + std * NODES)).sum() / math.sqrt(2 * math.pi)


def normal_variance(f: Callable[[Tensor], Tensor]) -> Tensor:
    """Var[f(ε)] for ε ~ N(0, 1)."""
    return normal_average(lambda eps: f(eps) ** 2) - normal_average(f) ** 2


@exercise(
    3,
    "against the integral of -q log p, for five pairs of Gaussians",
    lambda: [  # tensors of one number, which math.log and torch.log take alike
        tuple(torch.tensor([0.5, 0.7, -1.0, 2.0])),
        tuple(torch.tensor([0.0, 1.0, 0.0, 1.0])),
        *(tuple(torch.tensor([uniform(low, 2) for low in (-2, 0.5, -2, 0.5)])) for _ in "123"),
    ],
)
def cross_entropy_of_normals(mu_q, std_q, mu_p, std_p):
    def coded(mu, std, mu_p, std_p):
        return normal_average(lambda z: -Normal(mu_p, std_p).log_prob(z), mu, std)

    q, p = (mu_q, std_q), (mu_p, std_p)
    right, h_q, h_p = coded(*q, *p), coded(*q, *q), coded(*p, *p)
    kl, reverse = right - h_q, coded(*p, *q) - h_p
    logs = [Normal(mu, (std / 2).exp()) for mu, std in (q, p)]  # stds taken for log variances
    return right, {
        "That is the KL divergence alone, the surcharge: the code words themselves cost, too.": kl,
        "That is the entropy of q alone; p has no part in it.": h_q,
        "The wrong way round, all of it: z comes from q, the code words were made for p.": (
            h_p + reverse
        ),
        "A divergence has a direction. Which of the two does z come from?": h_q + reverse,
        "Whose entropy? z comes from q.": h_p + kl,
        "Words made for another book make texts longer, not shorter: check a sign.": h_q - kl,
        "That is in bits, the text asks for nats.": right / math.log(2),
        "A standard deviation was taken for a variance, or the other way round.": (
            coded(mu_q, std_q**2, mu_p, std_p**2)
        ),
        "That KL function takes log variances; these are standard deviations.": (
            h_q + kl_divergence(*logs)
        ),
        "The price of the middle of q only: z spreads about it, and that costs, too.": (
            -Normal(mu_p, std_p).log_prob(mu_q)
        ),
        "In the squared part of -log p, a σ stands where σ² belongs.": (
            h_p - 0.5 + (std_q + (mu_q - mu_p) ** 2) / (2 * std_p)
        ),
    }


@exercise(
    3,
    "for five sets of D, M and σ, from what her loss charges for a nat of each term",
    lambda: [
        (784, 2, 0.1),
        (784, 20, 1.0),
        (1, 1, 0.5),
        (5, 3, uniform(1.5, 4)),
        (64, 7, uniform(0.05, 0.5)),
    ],
)
def colleagues_beta(D, M, sigma):
    x, mu = torch.linspace(1, 2, D).double(), torch.linspace(1, 2, M).double()
    decoder = Normal(torch.zeros_like(x), sigma)
    nats = (decoder.log_prob(decoder.mean) - decoder.log_prob(x)).sum()  # less the constant
    kl = kl_divergence(Normal(mu, 1.0), Normal(0.0, 1.0)).sum()
    beta = (mu.square().mean() / kl) / (x.square().mean() / nats)
    return beta, {
        "Half of it: her KL has lost its ½, so a nat of KL costs twice its share.": beta / 2,
        "Twice as much: what is the factor in front of a Gaussian's squared error?": 2 * beta,
        "Upside down: β multiplies the KL once the likelihood stands alone.": 1 / beta,
        "σ has no part in it, but a narrow decoder charges more for the same error.": D / M,
        "A Gaussian divides the squared error by σ squared, not by σ.": beta * sigma,
        "σ acts the wrong way: with a small σ, -log p(x|z) is many times the squared error.": (
            beta * sigma**4
        ),
        "Her error is a mean over the D pixels, the log-likelihood is a sum.": beta / D,
        "Her KL is averaged over the M latents, ours is summed.": beta * M,
        "A mean over M latents makes the KL smaller, not larger.": beta * M**2,
        "As if -log p(x|z) were the squared error, without a factor before it.": 2 * D / M,
        "That is what a nat of KL costs her. What does a nat of -log p(x|z) cost?": 2 / M,
        "// cuts off what comes after the point.": math.floor(beta),
    }


@exercise(
    3,
    "mean and variance are those of p(z|x), and log p(x) less this ELBO is the gap, on a grid",
    lambda: [()],
    ask=itself,
    parts=("best_mu", "best_var", "gap_there"),
    close=within(0, 0.005),
)
def linear_decoder():
    z = torch.linspace(-9, 9, 20_001).double()
    log_joint = Normal(0.0, 1.0).log_prob(z) + Normal(2 * z, 1.0).log_prob(torch.tensor(3.0))
    posterior, log_px = log_joint.softmax(0), log_joint.logsumexp(0) + math.log(18 / 20_000)
    mu = (posterior * z).sum()
    var = (posterior * (z - mu) ** 2).sum()
    q = Normal(mu, var.sqrt())
    elbo = (q.log_prob(z).softmax(0) * (log_joint - q.log_prob(z))).sum()
    to_prior = kl_divergence(q, Normal(0.0, 1.0))
    return (mu, var, log_px - elbo), {
        "best_var: that is the standard deviation; var is σ².": (None, var.sqrt(), None),
        "best_var: that is the precision, one over the variance.": (None, 1 / var, None),
        "best_var: that is the prior's, but x tells something about z.": (None, 1.0, None),
        "best_mu: that explains x best, z = x/w, as if the KL cost nothing.": (3 / 2, None, None),
        "A factor ½ is lost: it stands before the squared error, and before the KL.": (
            (2 * 3 / (2**2 + 2), 1 / (2**2 / 2 + 1), None)
        ),
        "best_mu: the derivative is zero where? There is μ in the squared error, too.": (
            (2 * 3, None, None)
        ),
        "gap_there: that is log p(x); the gap is what the ELBO lacks of it.": (None, None, log_px),
        "gap_there: that is the KL to the prior; the gap is the KL to the posterior.": (
            (None, None, to_prior)
        ),
        "best_mu: differentiating (x - wμ)² leaves a factor w in front of x, too.": (
            (3 / 5, None, None)
        ),
        "best_mu and best_var have changed places.": (var, mu, None),
        "best_var: in the variance of wz, w is squared.": (None, 1 / (1 + 2), None),
        "gap_there: that is x - wμ; the gap is log p(x) less the ELBO.": (None, None, 3 - 2 * mu),
    }


def categorical(size: int) -> tuple[Tensor, ...]:
    """q, prior, likelihood and posterior of a random model whose z has `size` values."""
    q, prior, lik = torch.rand(3, size).double() + 0.05
    q, prior = q / q.sum(), prior / prior.sum()
    return q, prior, lik, prior * lik / (prior * lik).sum()


@exercise(
    3,
    "bound and excess, against log p(x) and torch's KL, for four random models",
    lambda: [categorical(size) for size in (4, 4, 2, 7)],
    parts=("the upper bound", "its excess"),
)
def upper_bound_and_excess(q, prior, lik, posterior):
    log_px, log_joint = (prior * lik).sum().log(), (prior * lik).log()
    posterior_, q_, prior_ = map(Categorical, (posterior, q, prior))
    excess = kl_divergence(posterior_, q_)
    upper = log_px + excess
    return (upper, excess), {
        "The two results have changed places: first the bound, then its excess.": (excess, upper),
        "That is the ELBO, a lower bound: the average is still taken under q.": (
            (log_px - kl_divergence(q_, posterior_), None)
        ),
        "In log p(x, z) the prior is missing.": (upper - posterior @ prior.log(), None),
        "The bound has no q in it: that is log p(x) itself.": (log_px, None),
        "In the bound, log q(z) is missing.": (posterior @ log_joint, None),
        "The excess is a divergence, but which way? The average is under the posterior now.": (
            (None, kl_divergence(q_, posterior_))
        ),
        "The excess compares the posterior with q, not with the prior.": (
            (None, kl_divergence(posterior_, prior_))
        ),
        "The excess is what the bound has beyond log p(x), not log p(x) itself.": (None, log_px),
        "The excess is in that average already; you added it once more.": (upper + excess, None),
        "The bound averages logarithms; that is the logarithm of an average.": (
            ((posterior * prior * lik / q).sum().log(), None)
        ),
        "log q(z) is subtracted, not q(z).": (posterior @ (log_joint - q), None),
        "The excess has the wrong sign: the bound lies above log p(x).": (None, -excess),
        "Those are bits, the text asks for nats.": (upper / math.log(2), excess / math.log(2)),
    }


# --- 04 ------------------------------------------------------------------------------------------


@exercise(
    4,
    "both branches of F⁻¹, for 57 u between 0.0001 and 0.9999, three μ and three scales",
    lambda: [
        (torch.tensor([0.0001, 0.01, 0.3, 0.5, 0.6, 0.999, 0.9999]), 1.0, 2.0),
        *((0.01 + 0.98 * torch.rand(25), uniform(-3, 3), uniform(0.3, 3)) for _ in "12"),
    ],
    ask=one_by_one,
)
def laplace_from_uniform(u, mu, scale):
    eps = torch.where(u < 0.5, (2 * u).log(), -(2 - 2 * u).log())
    return mu + scale * eps, {
        "Mirrored: a small u must give a z below μ.": mu - scale * eps,
        "`scale` was taken for the standard deviation, which is √2 times as large.": (
            mu + scale / math.sqrt(2) * eps
        ),
        "`scale` was taken for a rate: wide densities have a large scale.": mu + eps / scale,
        "`scale` is neither a variance nor to be squared.": mu + scale**2 * eps,
        "`scale` has no part in it.": mu + eps,
        "`mu` has no part in it.": scale * eps,
        "`mu` is stretched, too: first stretch, then shift.": scale * (mu + eps),
        "Each side of μ has half the probability: u near 0 or 1 must go to infinity.": (
            mu - scale * torch.sign(u - 0.5) * torch.log1p(-(u - 0.5).abs())
        ),
        "All on one side of μ: z must lie below it where u < ½.": mu + scale * eps.abs(),
        "That is an exponential density that starts at μ; Laplace has two sides.": (
            mu - scale * torch.log1p(-u)
        ),
        "Right where u > ½; below, the other branch of F holds.": (
            mu - scale * torch.log(2 - 2 * u)
        ),
        "That is the logistic density.": mu + scale * torch.logit(u),
        "That is a Gaussian draw: its F⁻¹, not Laplace's.": mu + scale * torch.special.ndtri(u),
        "√2 turns the scale into the standard deviation; z stretches with the scale.": (
            mu + math.sqrt(2) * scale * eps
        ),
        "The two branches have changed places: which of them holds where u < ½?": (
            mu + scale * torch.where(u > 0.5, (2 * u).log(), -(2 - 2 * u).log())
        ),
        "That is the density, with u put in for z; asked for is the z that belongs to u.": (
            torch.exp(-(u - mu).abs() / scale) / (2 * scale)
        ),
    }


@exercise(
    4,
    "against draws with u frozen and λ moved, for 30 pairs of z and λ",
    lambda: [
        (3 * torch.rand(5) + 0.01, torch.full((5,), 3.0)),
        (2 * torch.rand(20) + 0.01, 3 * torch.rand(20) + 0.2),
        (torch.tensor([0.0, 1.0, 0.001, 4.0, 2.0]), torch.tensor([1.0, 1.0, 5.0, 1.5, 0.1])),
    ],
    ask=one_by_one,
)
def dz_drate_implicit(z, rate):
    h, F, survival = 1e-4 * rate, -torch.expm1(-rate * z), torch.exp(-rate * z)
    moved = (torch.log1p(-F) / (rate - h) - torch.log1p(-F) / (rate + h)) / (2 * h)
    return moved, {
        "The size is right. Which sign stands in front of the implicit formula?": -moved,
        "That is ∂F/∂λ, or minus it, not yet divided by the density.": -z * survival,
        "Divided by 1 - F; the density is F differentiated by z.": -z,
        "Divided by F itself; the density is F differentiated by z.": -z * survival / F,
        "Upside down: F is differentiated by λ above, by z below.": -rate / z,
        "Multiplied by the density, not divided.": -z * rate * survival**2,
        "The density is divided by, with all its factors; λ is one of them.": -z * rate,
        "That is the derivative of the mean, 1/λ; each draw moves by its own amount.": (
            -1 / rate**2
        ),
        "Divided by λ once more than the density says.": -z / rate**2,
        "The exponential is lost on one side of the fraction.": -z * survival / rate,
        "Above, F is differentiated by λ, not by z.": -torch.ones_like(z),
        "F itself is divided; the formula has its derivative by λ.": -F / (rate * survival),
    }


@exercise(
    4,
    "one baseline per draw, without the draw itself, for 2 to 1,000 draws",
    lambda: [
        (torch.tensor([1.0, 2.0, 4.0, 9.0]),),
        (torch.tensor([-3.0, 5.0]),),
        (torch.zeros(3),),
        (100 + torch.randn(1000),),
    ],
)
def leave_one_out_mean(f):
    others = torch.stack([torch.cat([f[:i], f[i + 1 :]]).mean() for i in range(len(f))])
    L, every = len(f), torch.ones_like(f)
    return others, {
        "Each draw is in its own baseline: that is the mean over all.": f.mean() * every,
        "One mean over all draws; asked for is one for each draw, without it.": f.mean(),
        "The others are one fewer than all: by what do you divide?": others * (L - 1) / L,
        "That is the sum of the others, not yet their mean.": others * (L - 1),
        "The draw itself is still in the sum.": f.sum() / (L - 1) * every,
        "That is f minus the baseline; asked for is the baseline.": f - others,
        "That is f minus the mean over all; asked for is a mean, of the others.": f - f.mean(),
        "A draw is left out of the sum; you took it off the mean.": f.mean() - f,
        "You took the draw off the mean, and divided then: it belongs to the sum.": (
            (f.mean() - f) / (L - 1)
        ),
        "Brackets: only the draw is divided, not the difference.": f.sum() - f / (L - 1),
        "Brackets: the 1 is taken off the quotient.": (f.sum() - f) / L - 1,
    }


@exercise(
    4,
    "against the moments of 2zε by quadrature, for five pairs of μ and σ",
    lambda: [
        *(tuple(torch.tensor(row)) for row in ([0.0, 1.0], [1.5, 0.8], [-2.0, 0.1])),
        *(tuple(torch.tensor([uniform(-3, 3), uniform(0.5, 2)])) for _ in "12"),
    ],
)
def variance_of_dstd(mu, std):
    right = normal_variance(lambda eps: 2 * (mu + std * eps) * eps)
    return right, {
        "That is the mean square; for the variance, subtract the squared mean.": (
            normal_average(lambda eps: (2 * (mu + std * eps) * eps) ** 2)
        ),
        "That is the variance of the other gradient, by μ: 2z, without ε.": 4 * std**2,
        "ε² is not ε: what is its variance?": 4 * mu**2 + 4 * std**2,
        "The factor 2 of 2zε is squared in a variance.": right / 2,
        "σ is squared in a variance.": 4 * mu**2 + 8 * std,
        "z has two parts, μ and σε. Where is that of μ?": right - 4 * mu**2,
        "Where is the part of σε²?": 4 * mu**2,
        "That is the mean, 2σ, not the variance.": 2 * std,
        "That is the standard deviation, the root of the variance.": right.sqrt(),
        "μ is squared in a variance.": 4 * mu + 8 * std**2,
        "ε and ε² are uncorrelated: no term has both μ and σ.": right + 8 * mu * std,
        "The mean is squared before it is subtracted.": right + 4 * std**2 - 2 * std,
        "Whose variance is 1, whose is 2? You have swapped ε and ε².": 8 * mu**2 + 4 * std**2,
        "That is the score function's variance, from section 6.": (
            mu**4 / std**2 + 14 * mu**2 + 15 * std**2
        ),
    }


def function_and_number(answer: Any, inputs: Tensor) -> Any:
    """What the function gives for each of the inputs, and the number."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return answer(inputs[0]) if callable(answer) else answer
    name = "pathwise_variance_of_sine"
    return torch.stack([numbers(call(answer[0], x), name) for x in inputs]), answer[1]


@exercise(
    4,
    "the variance against quadrature for six k, the crossing within 0.01",
    lambda: [(torch.tensor([0.5, 0.8, 1.1, 1.5, 2.5, uniform(0.6, 3)]),)],
    ask=function_and_number,
    parts=("pathwise_variance_of_sine", "crossing"),
    close=lambda given, right: (within() if right.dim() else within(0, 0.01))(given, right),
)
def pathwise_variance_of_sine(ks):
    def variance(f):
        return torch.stack([normal_variance(lambda eps, k=k: f(k, eps)) for k in ks])

    path = variance(lambda k, eps: k * torch.cos(k * eps))
    square, squared_mean = path + ks**2 * torch.exp(-(ks**2)), ks**2 * torch.exp(-(ks**2))
    return (path, 1.1090), {  # the crossing by quadrature and bisection
        "That is the mean square; subtract the squared mean.": (square, None),
        "The factor k in front of the cosine is missing.": (path / ks**2, None),
        "In a variance, the factor k is squared.": (path / ks, None),
        "cos² has the double angle: put 2k for k in E[cos kε].": (
            (ks**2 * (1 + torch.exp(-(ks**2))) / 2 - squared_mean, None)
        ),
        "cos² has the double angle: (2k)² is more than twice k².": (
            (ks**2 * (1 + torch.exp(-(ks**2) / 2)) / 2 - squared_mean, None)
        ),
        "The mean is squared before it is subtracted.": (
            square - ks**2 * torch.exp(-(ks**2) / 2),
            None,
        ),
        "The ½ of cos² is missing.": (2 * square - squared_mean, None),
        "That is the score function's variance; asked for is the path's.": (
            (variance(lambda k, eps: torch.sin(k * eps) * eps), None)
        ),
        "crossing: that is k², not k.": (None, 1.1090**2),
        "crossing: at k = 0 both variances are 0; they meet once more.": (None, 0.0),
        "crossing: 1 leaves out the exponentials, which are not small there.": (None, 1.0),
        "cos² has the double angle: (2k)² / 2, and the ½ is lost.": (
            (ks**2 * (1 + torch.exp(-4 * ks**2)) / 2 - squared_mean, None)
        ),
        "k² stands in front of the squared mean, too: brackets.": (
            (square - torch.exp(-(ks**2)), None)
        ),
        "That is the variance of f, not of its slope.": (
            (variance(lambda k, eps: torch.sin(k * eps)), None)
        ),
    }


# --- 05 ------------------------------------------------------------------------------------------


@exercise(
    5,
    "each dimension's KL, against torch.distributions, for three batches",
    lambda: [
        (torch.randn(50, 20), torch.randn(50, 20)),
        (torch.zeros(3, 5), torch.zeros(3, 5)),
        (3 * torch.randn(1, 4), 2 * torch.randn(1, 4)),
    ],
)
def kl_per_dimension(mu, log_var):
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0))
    return kl.mean(0), {
        "Summed over the images; the text asks for their mean.": kl.sum(0),
        "One number per image: average over the images, keep the latents apart.": kl.mean(1),
        "The factor ½ is missing.": 2 * kl.mean(0),
        "exp(log_var) was taken for the standard deviation; it is the variance.": (
            0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).mean(0)
        ),
        "One number in all: `kl_to_standard_normal` sums over the latents before you average.": (
            kl.sum(1).mean()
        ),
        "Summed over the latents; keep them apart, and average over the images.": kl.sum(1),
        "exp(log_var / 2) was taken for the variance; it is the standard deviation.": (
            0.5 * (mu**2 + (log_var / 2).exp() - 1 - log_var).mean(0)
        ),
        "The sign of the logarithm: with it, a narrow q would cost nothing.": (
            (kl + log_var).mean(0)
        ),
        "The other direction: asked for is the KL from q to the prior.": (
            kl_divergence(Normal(0.0, 1.0), Normal(mu, (log_var / 2).exp())).mean(0)
        ),
        "First the KL of each image, then the average, not the KL of averages.": (
            0.5 * (mu.mean(0) ** 2 + log_var.mean(0).exp() - 1 - log_var.mean(0))
        ),
    }


@exercise(
    5,
    "784 times the colleague's loss in every image, so the same network is best",
    lambda: [
        (-200 * torch.rand(7), 30 * torch.rand(7)),
        (torch.tensor([-90.0, -200.0, 0.0]), torch.tensor([25.0, 0.0, 3.0])),
        (-200 * torch.rand(2), 30 * torch.rand(2)),
    ],
)
def colleague_loss(log_lik, kl):
    theirs = -log_lik / 784 + kl / 20
    error, price = -log_lik, 784 * theirs + log_lik
    return error + price, {
        "That is the colleague's own loss. Ours charges -log p(x|z) in full.": theirs,
        "One number per image: the mean over the batch is not part of this function.": (
            (error + price).mean()
        ),
        "Upside down: which term does the colleague's loss make smaller, and how much?": (
            error + 20 / 784 * kl
        ),
        "The KL was averaged, too, over the 20 latents.": error + 784 * kl,
        "The cross-entropy was averaged, too, over the 784 pixels.": error + kl / 20,
        "A mean over the 20 latents makes the KL smaller, not larger.": error + 784 * 20 * kl,
        "That is β = 1. Does the colleague's loss weigh the two terms like that?": error + kl,
        "A loss must fall when log_lik rises: check its sign.": price - error,
        "A loss must rise with the KL: check its sign.": error - price,
        "That is something to maximise; a loss is minimised.": -error - price,
        "// cuts off what comes after the point.": error + 39 * kl,
        "That is β alone; asked for is the loss that it is part of.": 784 / 20,
        "len(log_lik) counts the images, not the pixels.": error + len(kl) / 20 * kl,
        "A mean divides by the number of terms, it does not multiply.": 784 * error + 20 * kl,
    }


@exercise(
    5,
    "the least of 999 cross-entropies, for π = 0.001 to 0.999",
    lambda: [()],
    ask=itself,
    close=within(0, 0.01),
)
def floor_of_half_grey():
    pi = torch.arange(1, 1000).double() / 1000
    least = (-0.5 * pi.log() - 0.5 * (1 - pi).log()).min()
    return least, {
        "That is in bits; the course measures in nats.": least / math.log(2),
        "That is the best π. What is the cross-entropy there?": 0.5,
        "The sign: minus the logarithm of a probability is never negative.": -least,
        "No, grey has a floor: put a = π = ½ into both terms.": 0.0,
        "Only one of the two terms, or a ½ too many.": least / 2,
        "Each term has its factor, a and 1 - a.": 2 * least,
        "One pixel is asked for, not all 784.": 784 * least,
        "That is section 5's floor, of whole images; here it is one pixel.": 45.53,
        "That is a logarithm to base 10; `log` here is the natural one.": least / math.log(10),
    }


@exercise(
    5,
    "against the KL from q to the posterior, for 1 to 6 latents; 0 where A is diagonal",
    lambda: [
        *(
            (W.T @ W + var * torch.eye(W.shape[1]),)
            for W, var in [(torch.randn(9, 2), 0.5), (torch.randn(12, 6), 1.3)]
        ),
        (torch.tensor([[0.7]]),),
        (torch.diag(torch.tensor([3.0, 0.5, 20.0])),),
    ],
)
def price_of_a_diagonal_q(A):
    zero, diagonal = torch.zeros(len(A)).double(), A.diagonal()
    posterior = MultivariateNormal(zero, precision_matrix=A)  # in units of σ, at its own mean
    price = kl_divergence(MultivariateNormal(zero, precision_matrix=diagonal.diag()), posterior)
    logs, log_det = diagonal.log().sum(), diagonal.log().sum() - 2 * price
    return price, {
        "The factor ½ is missing.": 2 * price,
        "A price is never negative: which of the two terms is the larger one?": -price,
        "The ½ stands in front of both terms.": logs / 2 - log_det,
        "The log of the diagonal's sum (the trace) is not the sum of its logs.": (
            (diagonal.sum().log() - log_det) / 2
        ),
        "A mean over the diagonal, where a sum is asked for.": (logs / len(A) - log_det) / 2,
        "The logarithm of the determinant, not the determinant.": (logs - log_det.exp()) / 2,
        "The inverse of A has the posterior's own variances; the text's hint says better ones.": (
            (A.inverse().diagonal().log().sum() + log_det) / 2
        ),
        "The diagonal of A, not its eigenvalues: their logs add up to log |A|.": 0.0,
        "All entries of A were counted, not only the diagonal.": (
            (A.abs().log().sum() - log_det) / 2
        ),
        "All of A is in the logarithm: off the diagonal there is 0, or less.": (
            (A.log().sum() - log_det) / 2
        ),
        "Only log |A|: the part of the diagonal is missing.": log_det / 2,
        "Where are the logarithms? The two products differ by more.": (
            (diagonal.prod() - log_det.exp()) / 2
        ),
        "1 / A_ii is q's variance; the formula has A_ii itself.": (-logs - log_det) / 2,
    }


# --- 06 ------------------------------------------------------------------------------------------


def codes_with(means: list, variances: list, B: int) -> tuple[Tensor]:
    """Codes (B, M) with these means and variances: as many images above the mean as below it."""
    signs = torch.stack([torch.randperm(B) % 2 for _ in means], dim=1) * 2.0 - 1
    return (torch.tensor(means) + torch.tensor(variances).sqrt() * signs,)


@exercise(
    6,
    "units that vary a little less and a little more than the limit, about any centre",
    lambda: [
        codes_with([0.0, 2.0, 1.0, 0.0, 3.0, 0.0], [4.0, 0.0, 0.0025, 0.04, 0.007, 0.014], 500),
        codes_with([2.0, 0.0, 1.0, 0.004], [0.0, 0.02, 0.3, 0.00005], 400),
        codes_with([0.0, 0.0, 0.0], [0.0025, 0.00005, 1.0], 200),
        codes_with([1.0, 0.5], [0.0081, 1.0], 300),
    ],
)
def active_units(mu):
    mean = mu.mean(0)
    var = ((mu - mean) ** 2).mean(0)
    return var > 0.01, {
        "Those are the variances. Which of them are large enough?": var,
        "That is how many are active; asked for is which.": (var > 0.01).sum(),
        "One truth value per image. Each unit varies over the images: the other axis.": (
            mu.var(1) > 0.01
        ),
        "One truth value for all units together; keep the units apart.": mu.var() > 0.01,
        "You marked the units that sleep.": var < 0.01,
        "The limit holds for the variance; you compared the standard deviation.": (
            var.sqrt() > 0.01
        ),
        "A unit that is far from 0 in every image alike says nothing: that is the mean square.": (
            var + mean**2 > 0.01
        ),
        "The mean of a unit says nothing. How much does it vary?": mean.abs() > 0.01,
        "The mean of |μ| says how far from 0, not how much a unit varies.": (
            mu.abs().mean(0) > 0.01
        ),
        "One image far from 0 is not enough: how much do all of them vary?": (
            (mu.abs() > 0.01).any(0)
        ),
        "The limit holds for the variance; you compared the range, largest less smallest.": (
            mu.amax(0) - mu.amin(0) > 0.01
        ),
        "Another limit: 0.01 for the variance is 0.1 for the standard deviation.": var > 0.1,
        "Those are the numbers of the active units; asked for is yes or no for each.": (
            (var > 0.01).nonzero().squeeze()
        ),
    }


@exercise(
    6,
    "against least squares, for many and for few images that have the attribute",
    lambda: [
        (torch.randn(11, 4) + 1, torch.arange(11) % 3 == 0),
        (torch.randn(6, 2) - 1, torch.arange(6) == 4),
        (torch.randn(300, 10), torch.rand(300) < 0.3),
        (torch.randn(5, 1) + 2, torch.arange(5) != 0),
    ],
)
def direction(codes, has):
    columns = torch.stack([torch.ones(len(has)), has], dim=1).double()
    neither, right = torch.linalg.lstsq(columns, codes).solution  # codes = neither + has * right
    share = has.double().mean()
    return right, {
        "It points the other way: from those that have it to those that do not.": -right,
        "Sums of codes, where means are asked for: the groups differ in size.": (
            codes[has].sum(0) - codes[~has].sum(0)
        ),
        "Divided by the number of all images; each mean has its own group.": (
            share * (neither + right) - (1 - share) * neither
        ),
        "Those that have it are not left out of the second mean.": (1 - share) * right,
        "That is the mean code of those that have it. What do they share with the others?": (
            neither + right
        ),
        "One number for all units: average over the images, keep the units apart.": right.mean(),
        "The text does not ask for length 1: the length says how far apart the groups are.": (
            right / right.norm()
        ),
        "Medians, where means are asked for.": (
            codes[has].median(0).values - codes[~has].median(0).values
        ),
        "The two means were added.": 2 * neither + right,
        "As whole numbers, `has` picks the rows 0 and 1; keep its truth values.": (
            codes[has.long()].mean(0) - codes[(~has).long()].mean(0)
        ),
    }


@exercise(
    6,
    "for five places on the way, in 1 to 1,000 dimensions",
    lambda: [(0.0, 30), (1.0, 7), (0.5, 30), (0.3, 1), (uniform(0.6, 0.9), 1000)],
)
def expected_square(t, M):
    signs = [(-1, -1), (-1, 1), (1, -1), (1, 1)]  # with mean and variance of a standard normal
    right = M * sum(((1 - t) * a + t * b) ** 2 for a, b in signs) / 4
    return right, {
        "As if z_0 and z_1 were the same draw; that is right at both ends, but not between.": M,
        "As if z_1 were -z_0: what is the average of z_0 · z_1?": M * (1 - 2 * t) ** 2,
        "That is one dimension; there are M.": right / M,
        "Both draws have M dimensions, not only one of them.": M * (1 - t) ** 2 + t**2,
        "Variances of independent parts add up, whatever the signs.": right - 2 * M * t**2,
        "Only z_0's part, without z_1's.": M * (1 - t) ** 2,
        "That is a length; asked for is its square.": math.sqrt(right),
        "The number of dimensions comes in once, not squared.": M * right,
        "That is the least value, at t = ½; asked for is the formula for every t.": M / 2,
        "Two independent draws have no cross term.": right + M * t * (1 - t),
        "Brackets: M multiplies both squares.": (1 - t) ** 2 + M * t**2,
    }


@exercise(
    6,
    "orthogonal to w, and nothing else taken off, for vectors of any length",
    lambda: [
        (torch.randn(10), 3 * torch.randn(10)),
        (torch.randn(2), 0.3 * torch.randn(2)),
        (torch.tensor([1.0, 2.0, 0.0]), torch.tensor([2.0, -1.0, 5.0])),
        (torch.tensor([-1.0, 0.5, 2.0]), torch.tensor([0.0, 4.0, 3.0])),
    ],
)
def without(u, w):
    along = w * torch.linalg.lstsq(w[:, None], u[:, None]).solution[0]
    right = u - along
    return right, {
        "That is the part of u along w, the one to take off.": along,
        "The part along w was added once more, not taken off.": u + along,
        "As if w had length 1: its length matters.": u - along * (w @ w),
        "The length of w comes in twice: in u · w, and in w itself.": u - along * w.norm(),
        "u and w have changed places: the tilt loses its smile.": w - (u @ w) / (u @ u) * u,
        "Whose length? The part along w must not change when w is made longer.": (
            u - along * (w @ w) / (u @ u)
        ),
        "The direction is right, the length is not: no need to make it 1.": right / right.norm(),
        "All of w is taken off, whether u has it or not.": u - w,
        "u · w is one number: multiply entry by entry, then add up.": u - u * w,
        "Entry by entry nothing is left: u · w and w · w are one number each.": (
            u - u * w / (w * w) * w
        ),
        "Brackets: Python reads / w @ w from the left, and divides by w.": (
            u - (u @ w) / w @ w * w
        ),
        "Brackets: / w @ w divides by w and then multiplies.": u - w * (u @ w) / w @ w,
        "The same number is taken off every entry: where is the direction of w?": (
            u - (u @ w) / (w @ w)
        ),
        "The cosine does not know how long u and w are.": (
            u - torch.cosine_similarity(u, w, dim=0) * w
        ),
        "What is left may be shorter than u: no need to stretch it again.": (
            right / right.norm() * u.norm()
        ),
    }


@exercise(
    6,
    "each factor's gap, with ties and idle units, in four tables",
    lambda: [  # square tables, so that a wrong axis gets as far as wrong numbers
        (2 * torch.rand(3, 3), 1 + torch.rand(3)),
        (2 * torch.rand(6, 6), 1 + torch.rand(6)),
        (torch.tensor([[0.5, 0.2], [0.4, 0.9]]), torch.tensor([2.0, 1.5])),
        (
            torch.tensor([[0.9, 0.0, 0.3], [0.0, 1.5, 0.8], [0.7, 0.3, 0.8]]),
            torch.tensor([2.0, 3.0, 1.2]),
        ),
    ],
)
def gaps(information, entropy):
    ascending = information.sort(dim=0).values
    by_row = information.sort(descending=True).values
    second, best = ascending[-2:]
    *_, second_factor, best_factor = information.T.sort(dim=0).values
    return (best - second) / entropy, {
        "Not yet divided by the entropy of the factor.": best - second,
        "Divided by the best unit's information; more than the entropy nobody can have.": (
            (best - second) / best
        ),
        "The two best factors of each unit. Asked for: the two best units of each factor.": (
            (best_factor - second_factor) / entropy
        ),
        "The best minus the worst unit; the gap is to the second best.": (
            (best - information.amin(0)) / entropy
        ),
        "The best minus the mean of all units; the gap is to the second best.": (
            (best - information.mean(0)) / entropy
        ),
        "That is the best unit's share. By how much does it beat the second best?": best / entropy,
        "Second minus best: the other way round.": (second - best) / entropy,
        "The first two rows need not be the two best units.": (
            (information[0] - information[1]) / entropy
        ),
        "Best and second best were added.": (best + second) / entropy,
        "One number for all; asked for is one for each factor.": (
            ((best - second) / entropy).mean()
        ),
        "`sort` begins with the smallest: those are the two worst units.": (
            (ascending[0] - ascending[1]) / entropy
        ),
        "`kthvalue` counts from the smallest.": (best - ascending[1]) / entropy,
        "Sorted along the last axis, the factors; the units are on axis 0.": (
            (by_row[0] - by_row[1]) / entropy
        ),
        "Where two units share the best place, both were struck out; their gap is 0.": (
            (best - torch.where(information == best, 0.0, information).amax(0)) / entropy
        ),
        "The best minus all the others; the gap is to the second best alone.": (
            (2 * best - information.sum(0)) / entropy
        ),
        "Each factor has its own entropy; you divided by their sum.": (
            (best - second) / entropy.sum()
        ),
    }
