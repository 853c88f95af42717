"""Hints for answers that fit no declared slip: what stopped them, or how they differ.

Each look at a wrong answer (`LOOKS`, in this order) knows one relation that it may have to the
right one: its form, a sign, a factor, a mean for a sum. No hint holds the solution.
"""

import dis
import math
import operator
import re
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.exercises.answers import is_float_tensor, names_of
from course_utils.exercises.time_limit import TimeUp

Close = Callable[[Tensor, Tensor], bool]

# --- what an answer consists of ------------------------------------------------------------------


def functions_of(answer: Any) -> list[FunctionType]:
    """The functions that an answer consists of: itself, those in a tuple, a class's methods."""
    several = answer if isinstance(answer, tuple | list) else [answer]
    things = [*several, *getattr(answer, "__dict__", {}).values()]
    return [thing for thing in things if isinstance(thing, FunctionType)]


def files_of(answer: Any) -> set[str]:
    """The files that an answer was written in; for IPython each cell is one."""
    return {function.__code__.co_filename for function in functions_of(answer)}


def names_read_by(function: FunctionType) -> Iterator[str]:
    """The global names that a function reads, and what is defined inside it."""
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        yield from (s.argval for s in dis.get_instructions(code) if s.opname == "LOAD_GLOBAL")


def notebook_names_in(answer: Any) -> str:
    """A remark on numbers and tensors that come from the notebook and not from the arguments."""
    found = {
        name: function.__globals__.get(name)
        for function in functions_of(answer)
        for name in names_read_by(function)
    }
    data = [k for k, v in found.items() if isinstance(v, int | float | Tensor | np.ndarray)]
    names = ", ".join(f"`{name}`" for name in data)
    return f" And {names} is the notebook's, not one of the arguments." if data else ""


# --- an answer that stops ------------------------------------------------------------------------

REMARKS = {  # what stands in a message of Python, torch or NumPy, and what it often comes from
    "Boolean value of Tensor": (
        "`not`, `and`, `or`, `if` take one value; for tensors: ~, &, |, torch.where"
    ),
    "cannot be multiplied|size mismatch, got|inconsistent tensor size|mismatch in its core": (
        "A @ B needs as many columns of A as rows of B: a .T missing or too many, another order?"
    ),
    "must match the size|could not be broadcast|must match the existing size": (
        "+, -, * need axes of equal length, or of length 1: a [:, None], a .T, an `eye` of "
        "another size?"
    ),
    "not require grad": "autograd follows a tensor only after its requires_grad_()",
    "[Ss]ingular": (
        "of A, tall and narrow, A.T @ A has an inverse, A @ A.T has none: which is meant?"
    ),
}


def is_a_stub(problem: BaseException, answer: Any) -> bool:
    """Whether the answer itself raised NotImplementedError, by a `raise`, as a stub does.

    Not so where a library did: torch, too, has things that are not implemented.
    """
    last = problem.__traceback__
    if not isinstance(problem, NotImplementedError) or last is None:
        return False
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    by_raise = dis.opname[code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
    return by_raise and code.co_filename in files_of(answer)


def hint_on_exception(problem: BaseException, answer: Any, inputs: Sequence = ()) -> str:
    """A hint on an exception in the student's code: its name, and the line that it came from.

    With what may have led there: shapes that do not fit, names that are the notebook's.
    """
    if is_a_stub(problem, answer):
        return f"Nothing is written here yet, or the line with the error still stands. {problem}"
    files = files_of(answer)
    frames = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename in files]
    line = textwrap.shorten(frames[-1].line or "", 90, placeholder=" ...") if frames else ""
    where = f" in line {frames[-1].lineno}, `{line}`" if frames else ""
    if isinstance(problem, TimeUp):
        return (
            f"Stopped after {problem.seconds:.0f} seconds{where}. Is there a loop that never ends?"
        )
    message = textwrap.shorten(str(problem), 120, placeholder=" ...")
    remark = next((said for found, said in REMARKS.items() if re.search(found, str(problem))), "")
    names = notebook_names_in(answer)
    if remark:  # a size of the notebook's is the likelier reason
        message += f"{'.' if names else f' ({remark})'}{shapes_of(answer, inputs)}"
    stops = f"Your code stops with {type(problem).__name__}{where}: {message}"
    return f"{stops.rstrip('.')}.{names}" if names else stops


def shapes_of(answer: Any, inputs: Sequence) -> str:
    """The shapes of the tensors that an answer was called with, in a sentence."""
    pairs = zip(names_of(answer, inputs), inputs)
    tensors = [f"{name} {tuple(x.shape)}".strip() for name, x in pairs if torch.is_tensor(x)]
    return f" It was called with {', '.join(tensors)}." if tensors else ""


# --- an answer of another form -------------------------------------------------------------------


def same_form(found: Tensor, right: Tensor) -> bool:
    """Whether shape and kind agree; the kind is truth values, where these are asked for."""
    kinds = (found.dtype == torch.bool) == (right.dtype == torch.bool)
    return kinds and (found.shape == right.shape or found.numel() == right.numel() == 1)


def hint_on_form(found: Tensor, right: Tensor, inputs: Sequence = ()) -> str:
    """What is wrong where `same_form` says no, for an answer to these inputs."""
    came, wanted = tuple(found.shape), tuple(right.shape)
    if came == wanted:
        kind = "truth values" if right.dtype == torch.bool else "numbers"
        return f"Expected {kind}, got {found.dtype}."
    hint = f"Expected {f'shape {wanted}' if wanted else 'one number'}, got shape {came}."
    if len(wanted) == 2 and came[::-1] == wanted:
        hint += " The two axes have changed places: a .T missing, or one too many?"
    elif not came:
        hint += " A sum, mean or norm over all axes, where one of them is meant?"
    elif found.squeeze().shape == right.squeeze().shape:
        hint += " An axis of length 1 is too many or missing: look for keepdim, unsqueeze, None."
    elif len(came) > len(wanted):
        hint += " An axis too many: is a sum or mean over it missing, or did (n, 1) meet (n,)?"
    elif len(came) == len(wanted) == 1 and any(
        sorted(came + wanted) == sorted(x.shape) for x in inputs if torch.is_tensor(x)
    ):
        hint += " A sum or mean along the wrong axis?"
    return hint


def agrees(found: Tensor, right: Tensor, close: Close) -> bool:
    """Whether one counts as the other: of one form, and close in float64."""
    return same_form(found, right) and close(found.double().reshape(right.shape), right.double())


# --- an answer of the right form -----------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """One part of a wrong answer beside the right one.

    Attributes:
        found, right: what the answer gives in each try, and what it should.
        close: whether two float64 tensors count as equal.
        tries: the inputs of each try.
        answer: what the student wrote.
        slips: what each declared slip gives in each try, under its hint; None where it says
            nothing of this part.
    """

    found: Sequence[Tensor]
    right: Sequence[Tensor]
    close: Close
    tries: Sequence[tuple]
    answer: Any
    slips: Mapping[str, Sequence[Tensor | None]] = field(default_factory=dict)

    @cached_property
    def all_found(self) -> Tensor:
        """The numbers of all tries in one row."""
        return torch.cat([x.double().flatten() for x in self.found])

    @cached_property
    def all_right(self) -> Tensor:
        """What is right for them."""
        return torch.cat([x.double().flatten() for x in self.right])

    def would_be(self, other: Tensor) -> bool:
        """Whether the answer is this, for all tries in one row."""
        return self.close(self.all_found, other)


def one_for_all(it: Comparison) -> str | None:
    """The mean or the sum of the right numbers, in every try."""
    if all(f.numel() > 1 or r.numel() <= 1 for f, r in zip(it.found, it.right)):
        return None
    for name, reduce in {"mean": torch.mean, "sum": torch.sum}.items():
        pairs = zip(it.found, (reduce(r.double()) for r in it.right))
        if all(agrees(*pair, it.close) for pair in pairs):
            wanted = tuple(next(r.shape for r in it.right if r.numel() > 1))
            return f"That is the {name} of the numbers asked for. Keep them apart: shape {wanted}."
    return None


def another_form(it: Comparison) -> str | None:
    """Another shape, or numbers for truth values; a named slip may be behind it."""
    cases = zip(it.found, it.right, it.tries)
    hint = next((hint_on_form(*case) for case in cases if not same_form(*case[:2])), None)
    return hint and (two_slips(it) or hint)


def not_finite(it: Comparison) -> str | None:
    """NaN or infinity where the right answer has a number."""
    if (it.all_right.isfinite() & ~it.all_found.isfinite()).any():
        where = entries(it, lambda found, right: right.isfinite() & ~found.isfinite(), "finite")
        return f"NaN or infinity instead of a number{where}: log 0, 0 / 0, exp of a large number?"
    return None


def entries(it: Comparison, failed: Callable[[Tensor, Tensor], Tensor], fine: str) -> str:
    """Where an answer fails, if it treats the entries of its first input one by one.

    ` at `u` = 0.6, 0.999; finite at `u` = 0.3`, from the first try in which some entries fail and
    others do not; empty where the answer has not the shape of that input.
    """
    for inputs, found, right in zip(it.tries, it.found, it.right):
        x = inputs[0] if inputs else None
        if not (is_float_tensor(x) and x.dim() == 1 and x.shape == found.shape):
            return ""
        bad = failed(found.double(), right.double())
        if bad.any() and not bad.all():
            name = names_of(it.answer, inputs)[0] or "the first input"
            at, elsewhere = (listed_numbers(x[which]) for which in (bad, ~bad))
            return f" at {name} = {at}; {fine} at {name} = {elsewhere}"
    return ""


def listed_numbers(x: Tensor) -> str:
    """The first three numbers, and whether there are more."""
    return ", ".join(f"{v:.4g}" for v in x[:3].tolist()) + (" and more" if len(x) > 3 else "")


def wrong_sign(it: Comparison) -> str | None:
    """Minus the right answer."""
    return "The size is right, the sign is not." if it.would_be(-it.all_right) else None


def wrong_factor(it: Comparison) -> str | None:
    """The right answer times one number."""
    found, right = it.all_found, it.all_right
    factor = ((found * right).sum() / (right * right).sum()).item()
    if len(right) < 2 or not factor or not it.close(found / factor, right):
        return None
    units = {
        1 / math.log(2): ": bits for nats?",
        math.log(2): ": nats for bits?",
        1 / math.log(10): ": log10 for log?",
        2.0: ": is a factor ½ missing?",
        0.5: ": is a factor ½ too many?",
    }
    unit = next((u for size, u in units.items() if abs(factor - size) < 1e-3), ".")
    return f"A factor is off: yours is {factor:.4g} times the right answer throughout{unit}"


def sizes_in(tries: Sequence[tuple]) -> list[list[int]]:
    """Each axis of each tensor, and each whole number, among the inputs: its size in every try."""
    found = []
    for values in zip(*tries):
        if all(torch.is_tensor(x) and x.dim() == values[0].dim() for x in values):
            found += [list(shape) for shape in zip(*(x.shape for x in values))]
        elif all(isinstance(x, int) for x in values):
            found.append(list(values))
    return [sizes for sizes in found if max(sizes) > 1 and min(sizes) > 0]


def mean_or_sum(it: Comparison) -> str | None:
    """The right answer times or over a size of the inputs, in each try its own."""
    for sizes in sizes_in(it.tries):
        for hint, slip in {
            "A mean where a sum belongs? Yours is divided by {}.": operator.truediv,
            "A sum where a mean belongs? Yours is multiplied by {}.": operator.mul,
        }.items():
            wrong = map(slip, it.right, sizes)
            if all(agrees(f, w, it.close) for f, w in zip(it.found, wrong)):
                return hint.format(", ".join(map(str, dict.fromkeys(sizes))))
    return None


RELATIONS = {
    "That is the square of the right answer.": torch.square,
    "That is the root of the right answer.": torch.sqrt,
    "A logarithm is missing.": torch.exp,
    "That is the logarithm of the right answer.": torch.log,
    "Upside down: that is one over the right answer.": torch.reciprocal,
}


def related(it: Comparison) -> str | None:
    """One of `RELATIONS`, in every number."""
    return next((h for h, of in RELATIONS.items() if it.would_be(of(it.all_right))), None)


def wrong_constant(it: Comparison) -> str | None:
    """The right answer plus one number."""
    found, right = it.all_found, it.all_right
    if len(right) > 2 and it.close(found - (found - right).mean(), right):
        return "A term is missing or one too many: the difference is the same throughout."
    return None


def whole_numbers(it: Comparison) -> str | None:
    """Rounded: nothing is said where the right answer is whole, too."""
    whole = not any(x.is_floating_point() for x in it.found)
    if whole and not it.close(it.all_right.round(), it.all_right):
        return "Whole numbers, where fractions belong: an integer dtype, or // for / ?"
    return None


def another_order(it: Comparison) -> str | None:
    """The right numbers of each try, sorted otherwise."""
    pairs = zip(it.found, it.right)
    if all(it.close(*(x.double().flatten().sort()[0] for x in pair)) for pair in pairs):
        return "The right numbers in another order: a transpose, a sort, a swapped argument?"
    return None


def only_where_square(it: Comparison) -> str | None:
    """Right in just those tries in which the first matrix is square."""
    first = next((i for i, x in enumerate(it.tries[0]) if torch.is_tensor(x) and x.dim() == 2), -1)
    if first < 0:
        return None
    square = [xs[first].shape[0] == xs[first].shape[1] for xs in it.tries]
    if any(square) and square == [agrees(f, r, it.close) for f, r in zip(it.found, it.right)]:
        name = names_of(it.answer, it.tries[0])[first] or "the matrix"
        return f"Right only where {name} is square: which of its two sizes, or A A^T for A^T A?"
    return None


SECOND_SLIPS = {
    "a sign is turned.": torch.neg,
    "it is doubled.": lambda x: 2 * x,
    "it is halved.": lambda x: x / 2,
    "it is in bits, not in nats.": lambda x: x / math.log(2),
    "it is in nats, not in bits.": lambda x: x * math.log(2),
}


def two_slips(it: Comparison) -> str | None:
    """A declared slip, and a sign, a factor, a mean or a sum on top of it."""
    for hint, given in it.slips.items():
        if (
            any(x is None for x in given)
            or len(torch.cat([x.flatten() for x in given]).unique()) < 3
        ):
            continue
        of_slip = replace(it, right=given)
        said = one_for_all(of_slip) or mean_or_sum(of_slip)
        for second, change in SECOND_SLIPS.items():
            pairs = zip(it.found, (change(x.double()) for x in given))
            if said is None and all(agrees(*pair, it.close) for pair in pairs):
                said = second
        if said:
            return f"{hint} And a second slip: {said}"
    return None


def no_function(it: Comparison) -> str | None:
    """Nothing that could be tried again: the rest is about functions."""
    if not it.tries[0] or not callable(it.answer):
        return "Another number. Check each step."
    return None


def always_the_same(it: Comparison) -> str | None:
    """The same in every try, although the right answers differ."""
    same = all(torch.equal(f, it.found[0]) for f in it.found)
    if same and len(it.found) > 2 and not torch.equal(it.right[0], it.right[1]):
        return "It gives the same whatever it is called with. Where do its arguments come in?"
    return None


def described(answer: Any, inputs: Sequence) -> str:
    """What a function was called with: numbers, short rows of them, and the shapes of tensors."""
    words = []
    for name, x in zip(names_of(answer, inputs), inputs):
        if torch.is_tensor(x) and (x.dim() > 1 or x.numel() > 6):
            words.append(f"{name} of shape {tuple(x.shape)}".strip())
        elif torch.is_tensor(x) or isinstance(x, int | float):
            words.append(f"{name} = {listed(torch.as_tensor(x))}".removeprefix(" = "))
    return ", ".join(words) or "some inputs"


def which_tries(it: Comparison) -> str:
    """What fits every wrong answer: which tries fail, and which do not."""
    pairs = list(zip(it.found, it.right))
    fine = [agrees(f, r, it.close) for f, r in pairs]
    text = "The shape is right, the numbers are not" if it.right[0].dim() else "Another number"
    text += f", for {described(it.answer, it.tries[fine.index(False)])}"
    if any(fine):
        text += f"; right for {described(it.answer, it.tries[fine.index(True)])}"
    where = entries(it, lambda f, r: ~torch.isclose(f, r, rtol=1e-4, atol=1e-5), "right")
    text += f"; wrong{where}" if where else ""
    return f"{text} ({fine.count(False)} of {len(fine)} tries). Do a small case by hand."


LOOKS = (
    one_for_all,
    another_form,
    not_finite,
    wrong_sign,
    wrong_factor,
    mean_or_sum,
    related,
    wrong_constant,
    whole_numbers,
    another_order,
    no_function,
    two_slips,
    only_where_square,
    always_the_same,
    which_tries,
)


def difference(it: Comparison) -> str:
    """What differs between one part of an answer and the right one, where no slip fits."""
    return next(hint for look in LOOKS if (hint := look(it)))


# --- the second hint -----------------------------------------------------------------------------


def worked_case(it: Comparison) -> str:
    """One of the tries that fail, the smallest, with what is right and what the answer gives.

    Of a number that was found on paper only whether it is too large: the right one is the answer.
    """
    fails = [not agrees(f, r, it.close) for f, r in zip(it.found, it.right)]
    if not callable(it.answer) or not it.tries[0]:
        found, right = it.all_found, it.all_right
        if len(found) == len(right) == 1 and found.isfinite().all():
            return f"Yours is too {'large' if found > right else 'small'}."
        return ""
    size = [sum(x.numel() for x in inputs if torch.is_tensor(x)) for inputs in it.tries]
    case = min((i for i in range(len(fails)) if fails[i]), key=lambda i: (size[i], i))
    found, right = it.found[case], it.right[case]
    wanted = f"For {described(it.answer, it.tries[case])} the right answer"
    if not same_form(found, right):
        return f"{wanted} has {form(right)}."
    if right.numel() <= 6:
        where, pair = "", (right, found)
    else:
        off = (found.reshape(right.shape).double() - right.double()).abs().nan_to_num(1e300)
        place = tuple(int(i) for i in np.unravel_index(int(off.argmax()), right.shape))
        where = f" in place {list(place)}"
        pair = (right[place], found.reshape(right.shape)[place])
    said, yours = (listed(x) for x in pair)
    return f"{wanted} is {said}{where}; yours is {yours}."


def form(x: Tensor) -> str:
    """A shape in words."""
    return f"shape {tuple(x.shape)}" if x.dim() else "no axes: it is one number"


def listed(x: Tensor) -> str:
    """A number, or up to six of them in brackets."""
    values = [f"{v:.4g}" for v in x.double().flatten().tolist()]
    return values[0] if not x.dim() else f"[{', '.join(values)}]"
