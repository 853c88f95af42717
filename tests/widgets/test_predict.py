"""`predict`: what it asks, shows and refuses; tests/browser/test_predict.py makes guesses."""

import pytest
from IPython.display import HTML

from course_utils.widgets import predict
from course_utils.widgets.predictions import Prediction

ASKED = {
    "question": "Is this ELBO above log p(x), or below it?",
    "choices": ["above", "below"],
    "answer": "below",
    "because": "It is a lower bound.",
}


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr("course_utils.widgets.predictions.display", found.append)
    return found


def test_question_answer_and_reason_stand_in_the_text(shown):
    assert predict(**ASKED) is None
    (prediction,) = shown
    assert repr(prediction) == (
        "Predict first: Is this ELBO above log p(x), or below it?\n  ( ) above\n  ( ) below\n"
        "Answer: below. It is a lower bound."
    )


def test_another_label_stands_before_the_question(shown):
    predict(**ASKED, label="Question")
    (prediction,) = shown
    assert repr(prediction).startswith("Question: Is this ELBO")
    assert "<b>Question.</b> Is this ELBO" in HTML(prediction._repr_html_()).data


def test_the_page_marks_the_right_choice_only():
    page = Prediction(**ASKED)._repr_html_()
    buttons = [line for line in page.split("<") if line.startswith("input")]
    assert len(buttons) == 2
    assert [" class=right" in button for button in buttons] == [False, True]
    for text in (ASKED["question"], ASKED["because"], *ASKED["choices"]):
        assert text in HTML(page).data


def test_two_questions_on_a_page_are_answered_apart():
    one, other = (Prediction(**ASKED | {"question": q})._repr_html_() for q in ("a?", "b?"))
    names = [page.split('name="')[1].split('"')[0] for page in (one, other)]
    assert names[0] != names[1]
    assert Prediction(**ASKED)._repr_html_() == Prediction(**ASKED)._repr_html_()


def test_signs_of_html_are_shown_as_they_are():
    asked = ASKED | {"question": 'Is a < b & "c"?', "choices": ["<b>", "below"]}
    page = Prediction(**asked)._repr_html_()
    assert "<b>Predict first.</b> Is a &lt; b &amp; &quot;c&quot;?" in page
    assert "&lt;b&gt;</label>" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "beside"}, r"answer: expected one of \['above', 'below'\], got 'beside'"),
        ({"choices": ["below"]}, "choices: expected two or more, each different"),
        ({"choices": ["below", "below"]}, "choices: expected two or more, each different"),
        ({"choices": "below"}, "choices: expected a list of texts, got 'below'"),
        ({"choices": ["below", 3]}, "choices: expected a list of texts, got"),
        ({"choices": None}, "choices: expected a list of texts, got None"),
        ({"because": " "}, "because: expected text, got ' '"),
        ({"answer": 3}, "answer: expected text, got 3"),
        ({"question": None}, "question: expected text, got None"),
    ],
)
def test_what_is_no_question_is_refused(change, message, shown):
    with pytest.raises(ValueError, match=f"^{message}"):
        predict(**ASKED | change)
    assert not shown
