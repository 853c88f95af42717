"""What a wrong answer is told that is no declared slip: what stops it, and how it differs."""

import functools
import math
import re

import numpy as np
import pytest
import torch
from on_the_page import hint_for

from course_utils.exercises import CHECKS, CheckFailed, check, checking, hints
from course_utils.exercises.answers import itself
from course_utils.exercises.checking import Exercise

BITS = CHECKS["bits_per_dimension"]


def in_a_file(path, source):
    """The function f of a file of its own, as a cell is for IPython."""
    path.write_text(source)
    space = {}
    exec(compile(source, str(path), "exec"), space)
    return space["f"]


# --- an answer that stops ------------------------------------------------------------------------


def test_an_exception_is_named_with_its_line(tmp_path):
    source = "def f(log_p, D):\n    helper = log_p\n    return helper.shape[3] / D\n"
    hint = hint_for("bits_per_dimension", in_a_file(tmp_path / "cell.py", source))
    assert "AttributeError in line 3, `return helper.shape[3] / D`" in hint


def test_a_long_message_is_cut():
    def answer(log_p, D):
        raise ValueError("tensor " * 10_000)

    assert len(hint_for("bits_per_dimension", answer)) <= 300


def test_a_long_line_is_cut(tmp_path):
    long = " + ".join(["log_p"] * 200)
    source = f"def f(log_p, D):\n    return {long} + 'text'\n"
    hint = hint_for("bits_per_dimension", in_a_file(tmp_path / "cell.py", source))
    assert "in line 2, `return log_p + log_p + " in hint and " ...`" in hint
    assert len(hint) <= 300


PRODUCT, SUM = "a .T missing or too many", "a [:, None], a .T, an `eye` of another size"
REMARKED = {
    "W.T @ W.T": f"{PRODUCT}, another order?) It was called with `W` (4, 2).",
    "W.T @ W @ torch.ones(4)": PRODUCT,
    "W.numpy() @ W.numpy()": PRODUCT,
    "W - W.sum(1)": SUM,
    "W.T @ W + torch.eye(4)": SUM,
    "W.numpy() + W.T.numpy()": SUM,
    "torch.linalg.inv(0 * W.T @ W)": "A.T @ A has an inverse, A @ A.T has none",
    "W if W > 0 else 0": "torch.where",
    "torch.autograd.grad(W.sum(), W)": "only after its requires_grad_()",
}


@pytest.mark.parametrize("code", REMARKED)
def test_a_message_that_is_often_met_is_explained(code, tmp_path):
    exercise = Exercise(0, "it", lambda: [(torch.ones(4, 2),)], lambda W: (W.sum(0), {}))
    f = in_a_file(tmp_path / "cell.py", f"import torch\n\ndef f(W):\n    return {code}")
    with pytest.raises(CheckFailed) as failed:
        exercise(f)
    assert REMARKED[code] in failed.value.hint


def test_the_notebooks_tensor_is_named_where_its_shape_stops_the_code(tmp_path):
    source = "import torch\nmean = torch.ones(784)\n\ndef f(W, V, x_bar):\n    return mean - {}"
    hints = [
        hint_for("best_bias", in_a_file(tmp_path / "cell.py", source.format(rest)))
        for rest in ("W @ V @ mean", "x_bar")
    ]
    assert all("And `mean` is the notebook's, not one of the arguments" in h for h in hints)
    assert not any(".T" in h or "[:, None]" in h for h in hints)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.to_sparse(), None),
        (lambda x: x.to("meta"), "Expected a number or a tensor, got one on meta."),
        (lambda x: x.cfloat(), "Expected a number or a tensor, got complex numbers."),
    ],
    ids=["sparse", "without values", "complex"],
)
def test_tensors_of_other_kinds(change, said):
    def answer(log_p, D):
        return change(torch.as_tensor(8 - log_p / D / np.log(2)))

    if said is None:
        check("bits_per_dimension", answer)
    else:
        assert hint_for("bits_per_dimension", answer) == said


STUBS = {
    "a message": 'def f(*inputs):\n    raise NotImplementedError("Exercise 1: write it.")',
    "other words": 'def f(*inputs):\n    raise NotImplementedError("later")',
    "no message": "def f(*inputs):\n    raise NotImplementedError",
    "many lines": 'def f(*inputs):\n    raise NotImplementedError(\n        "Exercise 1: "\n    )',
    "a helper": "def g(x):\n    raise NotImplementedError\n\ndef f(x, D):\n    return g(x) / D",
    "inside": (
        "def f(x, D):\n    def g():\n        raise NotImplementedError\n\n    return x / g()"
    ),
}


@pytest.mark.parametrize("kind", STUBS)
def test_an_error_that_the_cell_itself_raises_is_a_stub(kind, tmp_path):
    f = in_a_file(tmp_path / "cell.py", STUBS[kind])
    for answer in (f, functools.cache(f)):
        hint = hint_for("bits_per_dimension", answer)
        assert hint.startswith("Nothing is written here yet, or the line with the error still")


NO_STUBS = {
    "a library": "import torch\nT = torch.distributions.StudentT(3.0)\n\n"
    "def f(x, D):\n    return T.icdf(torch.tensor(0.5))",
    "torch in C": "import torch\n\ndef f(x, D):\n    return torch.ones(2, device='meta').tolist()",
    "a method": "class A:\n    def __lt__(self, other):\n        return NotImplemented\n\n"
    "def f(x, D):\n    return A() < x",
}


@pytest.mark.parametrize("kind", NO_STUBS)
def test_what_a_library_has_not_implemented_is_no_stub(kind, tmp_path):
    hint = hint_for("bits_per_dimension", in_a_file(tmp_path / "cell.py", NO_STUBS[kind]))
    assert "Nothing is written" not in hint
    assert hint.startswith("Your code stops with")
    assert kind == "a method" or "with NotImplementedError in line" in hint


# --- an answer that differs ----------------------------------------------------------------------

GENERAL = {
    "returns nothing": lambda log_p, D: None,
    "a comma": lambda log_p, D: (8 - log_p / D / np.log(2),),
    "the sign is not": lambda log_p, D: log_p / D / np.log(2) - 8,
    "3 times the right answer": lambda log_p, D: 3 * (8 - log_p / D / np.log(2)),
    "the difference is the same": lambda log_p, D: 7 - log_p / D / np.log(2),
    "NaN or infinity": lambda log_p, D: 8 - np.log(log_p / D - log_p / D + 0.0),
    "Expected one number, got shape (2,)": lambda log_p, D: torch.ones(2),
    "Expected a number or a tensor, got str": lambda log_p, D: "8",
    "got complex numbers": lambda log_p, D: torch.ones(1) * 1j,
    "Expected numbers, got torch.bool": lambda log_p, D: torch.tensor(True),
    "Whole numbers": lambda log_p, D: int(8 - log_p / D / np.log(2)),
    "for `log_p` = 0, `D` = 784": lambda log_p, D: 9 + log_p,
    "TypeError": lambda log_p: 8,
}


@pytest.mark.parametrize("phrase", GENERAL)
def test_what_differs_is_said(phrase):
    with np.errstate(all="ignore"):
        assert phrase in hint_for("bits_per_dimension", GENERAL[phrase])


def sums(rule=lambda x: x.sum(1), tries=None):
    """An exercise on tensors of different shapes."""
    tries = tries or (lambda: [(torch.rand(n, m) + 0.5,) for n, m in [(4, 3), (2, 5), (3, 6)]])
    return Exercise(0, "it", tries, lambda x: (rule(x), {}))


RELATED = {
    "A mean where a sum belongs? Yours is divided by 3, 5, 6.": lambda x: x.mean(1),
    "A sum where a mean belongs? Yours is multiplied by 4, 2, 3.": lambda x: x.sum(1) * len(x),
    "That is the square of the right answer.": lambda x: x.sum(1).square(),
    "That is the root of the right answer.": lambda x: x.sum(1).sqrt(),
    "A logarithm is missing.": lambda x: x.sum(1).exp(),
    "That is the logarithm of the right answer.": lambda x: x.sum(1).log(),
    "Upside down: that is one over the right answer.": lambda x: 1 / x.sum(1),
    "1.443 times the right answer throughout: bits for nats?": lambda x: x.sum(1) / np.log(2),
    "0.6931 times the right answer throughout: nats for bits?": lambda x: x.sum(1) * np.log(2),
    "That is the mean of the numbers asked for. Keep them apart: shape (4,).": lambda x: x.sum(
        1
    ).mean(),
    "That is the sum of the numbers asked for. Keep them apart: shape (4,).": torch.sum,
    "0.4343 times the right answer throughout: log10 for log?": lambda x: x.sum(1) / np.log(10),
    "2 times the right answer throughout: is a factor ½ missing?": lambda x: 2 * x.sum(1),
    "0.5 times the right answer throughout: is a factor ½ too many?": lambda x: x.sum(1) / 2,
    "The right numbers in another order": lambda x: x.sum(1).sort()[0],
    "for `x` of shape (2, 5); right for `x` of shape (4, 3) (2 of 3 tries)": lambda x: (
        x.sum(1) * (len(x) > 3)
    ),
}


@pytest.mark.parametrize("phrase", RELATED)
def test_how_an_answer_is_related_to_the_right_one_is_said(phrase):
    exercise = sums()
    exercise(lambda x: x.sum(1))
    with pytest.raises(CheckFailed) as failed:
        exercise(RELATED[phrase])
    assert phrase in failed.value.hint


FORMS = {
    "The two axes have changed places: a .T": (lambda x: x + 1, lambda x: x.T),
    "A sum, mean or norm over all axes": (lambda x: x.sum(1), lambda x: x.norm()),
    "A sum or mean along the wrong axis?": (lambda x: x.sum(1), lambda x: x.norm(dim=0)),
    "is a sum or mean over it missing": (lambda x: x.sum(1), lambda x: x.square()),
    "did (n, 1) meet (n,)?": (lambda x: x.sum(1), lambda x: x.sum(1, True) - x.mean(1)),
    "An axis of length 1 is too many": (lambda x: x.sum(1), lambda x: x.norm(dim=1, keepdim=True)),
}


@pytest.mark.parametrize("said", FORMS)
def test_what_may_lead_to_another_form_is_said(said):
    rule, answer = FORMS[said]
    with pytest.raises(CheckFailed) as failed:
        sums(rule)(answer)
    assert said in failed.value.hint


TWICE = {
    "a sign is turned": lambda x: -x.sum(1).exp(),
    "it is doubled": lambda x: 2 * x.sum(1).exp(),
    "it is halved": lambda x: x.sum(1).exp() / 2,
    "it is in bits": lambda x: x.sum(1).exp() / math.log(2),
    "it is in nats": lambda x: x.sum(1).exp() * math.log(2),
    "That is the mean of the": lambda x: x.sum(1).exp().mean(),
    "A sum where a mean belongs": lambda x: x.sum(1).exp() * len(x),
}


@pytest.mark.parametrize("second", TWICE)
def test_two_slips_at_once_are_both_named(second):
    tries = sums().tries
    exercise = Exercise(
        0, "it", tries, lambda x: (x.sum(1), {"No exp.": x.sum(1).exp(), "No zero.": 0 * x[:, 0]})
    )
    with pytest.raises(CheckFailed, match=f"^No exp. And a second slip: {second}"):
        exercise(TWICE[second])


def test_what_holds_for_square_matrices_only_is_told_so():
    exercise = sums(
        lambda W: torch.linalg.pinv(W), lambda: [(torch.randn(4, 4),), (torch.randn(5, 3),)]
    )
    with pytest.raises(CheckFailed, match="Right only where `W` is square"):
        exercise(lambda W: torch.linalg.inv(W) if len(W) == 4 else W.T)


def test_the_inverse_of_what_has_none_is_told_so():
    for answer in (
        lambda W: torch.linalg.inv(W @ W.T) @ W,
        lambda W: W.T @ torch.linalg.inv(W @ W.T),
    ):
        assert "A @ A.T has none" in hint_for("best_encoder", answer)


def test_an_answer_that_ignores_its_arguments_is_told_so():
    exercise = sums(lambda x: x + 1, lambda: [(0.5,), (2.0,), (7.0,)])
    with pytest.raises(CheckFailed, match="the same whatever it is called with"):
        exercise(lambda x: 1.5)
    with pytest.raises(CheckFailed, match="for `x` = 2; right for `x` = 0.5"):
        exercise(lambda x: 1.5 + 1e-3 * (x > 1))


def test_what_an_answer_takes_from_the_notebook_is_named():
    space = {"D": 784, "torch": torch, "helper": abs, "scale": torch.ones(2)}
    exec("def f(x):\n    return [D * v * scale[0] for v in x.sum(1)][0] + helper(x)[:, 0]", space)
    with pytest.raises(CheckFailed, match="`D`, `scale` is the notebook's, not one of the"):
        sums()(space["f"])


def test_an_argument_that_is_changed_in_place_is_named():
    def kl(mu, log_var):
        mu **= 2
        return 0.5 * (mu + log_var.exp() - 1 - log_var).mean(0)

    assert "changes `mu` in place" in hint_for("kl_per_dimension", kl)


def test_a_part_that_is_not_there_is_named():
    parts = CHECKS["linear_decoder"].parts
    assert hint_for("linear_decoder", (1.2, ..., 0.0)) == f"{parts[1]}: There is nothing here yet."


def test_shapes_are_compared_exactly_but_for_single_numbers():
    def kl(mu, log_var):
        return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).mean(0)

    CHECKS["kl_per_dimension"](kl)
    hint = hint_for("kl_per_dimension", lambda *inputs: kl(*inputs)[None])
    assert "Expected shape (20,), got shape (1, 20)" in hint and "keepdim" in hint
    BITS(lambda log_p, D: torch.tensor([[8 - log_p / D / np.log(2)]]))


def test_an_answer_may_need_gradients_where_the_page_records_none():
    def by_autograd(log_p, D):
        x = torch.tensor(float(log_p), requires_grad=True)
        (slope,) = torch.autograd.grad(-x / D / np.log(2), x)
        return 8 + slope * log_p

    with torch.no_grad():
        BITS(by_autograd)
    with torch.inference_mode():
        BITS(by_autograd)


# --- what is shown -------------------------------------------------------------------------------


def test_a_notebook_shows_a_line_of_praise_or_a_box(capsys):
    check("bits_per_dimension", lambda log_p, D: 8 - log_p / D / np.log(2))
    assert capsys.readouterr().out.startswith("Well done: 8 bits")
    with pytest.raises(KeyError, match="kl_per_dimension"):
        check("kl", None)
    top, *hint, bottom = CheckFailed("a hint " * 30)._render_traceback_()
    assert "Not yet" in top and len(hint) > 1 and all(len(line) < 90 for line in (*hint, bottom))
    assert all(line.startswith("│ ") for line in hint)


@pytest.mark.parametrize("name", ["nothing", "bit_per_dimension", ["kl"], None, lambda: 1])
def test_a_name_that_is_none_is_answered_in_one_line(name):
    with pytest.raises(KeyError, match="no exercise .*; there are ") as error:
        check(name, 1)
    assert len(str(error.value)) <= 300
    assert name != "bit_per_dimension" or "bits_per_dimension" in str(error.value)


def test_an_answer_that_fails_for_some_entries_is_told_which():
    """The numbers of a first input that is treated entry by entry; silent where all fail."""
    u = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0])
    exercise = sums(lambda u: u + 1, lambda: [(u,), (2 * u,)])
    for answer, hint in [
        (
            lambda u: u + 1 + (u - 1).log() * 0,
            "number at `u` = 0.25, 0.5, 1; finite at `u` = 2, 4:",
        ),
        (
            lambda u: u + 1 + (u > 0.3),
            "; wrong at `u` = 0.5, 1, 2 and more; right at `u` = 0.25 (",
        ),
        (lambda u: u + u.square(), "; wrong at `u` = 0.25, 0.5, 2 and more; right at `u` = 1 ("),
    ]:
        with pytest.raises(CheckFailed) as failed:
            exercise(answer)
        assert hint in failed.value.hint
    with pytest.raises(CheckFailed, match="instead of a number: log 0"):
        exercise(lambda u: (-u).log())


# --- the second hint ---


def hints_in_a_row(name, *answers):
    """What `check` says of one answer after the other; "" where it is right."""
    for answer in answers:
        try:
            check(name, answer)
            yield ""
        except CheckFailed as problem:
            yield problem.hint


@pytest.fixture
def first_tries(monkeypatch):
    monkeypatch.setattr(checking, "FAILED", {})


def test_the_second_wrong_try_is_told_a_case_with_what_is_right(first_tries, capsys):
    def swapped(log_p, D):
        return 8 - log_p / D

    first, second, praised, fresh = hints_in_a_row(
        "bits_per_dimension",
        swapped,
        swapped,
        lambda log_p, D: 8 - log_p / D / math.log(2),
        swapped,
    )
    assert "second hint" not in first and second.startswith(first) and not praised
    case = re.search(r"second hint: For `log_p` = .*, `D` = .* the right answer is (.*);", second)
    solved = [right.item() for (right,) in CHECKS["bits_per_dimension"].solve()[0]]
    assert any(float(case[1]) == pytest.approx(value, rel=1e-3) for value in solved)
    assert fresh == first


def test_a_stub_is_no_try_and_gets_no_second_hint(first_tries):
    def stub(log_p, D):
        raise NotImplementedError("Write it here.")

    *_, last = hints_in_a_row("bits_per_dimension", stub, stub, stub)
    assert "second hint" not in last


ON_PAPER = [name for name, exercise in CHECKS.items() if exercise.ask is itself]


@pytest.mark.parametrize("name", ON_PAPER)
def test_of_a_number_found_on_paper_the_second_hint_says_only_the_side(name, first_tries):
    (right,), _ = CHECKS[name].solve()
    values = [part.item() for part in right if part.dim() == 0]
    assert values
    for off, said in ((0.731, "too large"), (-0.731, "too small")):
        answer = tuple(value + off for value in values)
        *_, last = hints_in_a_row(name, *2 * [answer if len(answer) > 1 else answer[0]])
        assert last.endswith(f"A second hint: Yours is {said}.")
        assert not any(f"{value:.4g}" in last.split("second hint")[1] for value in values)


@pytest.mark.parametrize("name", CHECKS)
def test_second_hints_are_short(name):
    exercise = CHECKS[name]
    right, _ = exercise.solve()
    if exercise.ask is itself:
        return
    for part in range(len(exercise.parts)):
        found = [case[part] + 1 for case in right]
        wanted = [case[part] for case in right]
        it = hints.Comparison(found, wanted, exercise.close, exercise.inputs(), lambda *x: 1)
        assert re.search(r"the right answer (is|has) .*\.$", hints.worked_case(it))
        assert len(hints.worked_case(it)) < 300
