"""A question to answer before reading on: it takes a guess, then shows the answer and why."""

import hashlib
from collections.abc import Sequence
from html import escape

from IPython.display import display

from course_utils.arguments import described

# Radio buttons and a style sheet: the page itself takes the guess, without a kernel and without
# JavaScript. Where a page takes neither (GitHub, a notebook that is not trusted, plain text),
# question and answer stand there as text. The colours suit light and dark pages.
STYLE = """
<style>
.course-predict {border-left: 4px solid #0072B2; padding: 0.2em 1em 0.4em; margin: 0.4em 0;
  font-size: 1.08em; line-height: 1.5; max-width: 60em}
.course-predict p {margin: 0.3em 0}
.course-predict input {position: absolute; opacity: 0}
.course-predict label {display: inline-block; margin: 0.3em 0.6em 0.3em 0; padding: 0.25em 0.9em;
  border: 2px solid #8a8a8a; border-radius: 1.2em; cursor: pointer}
.course-predict label:hover {border-color: #0072B2}
.course-predict input:focus-visible + label {outline: 3px solid #56B4E9; outline-offset: 2px}
.course-predict input:checked + label {border-color: #D55E00; background: #D55E0022}
.course-predict input.right:checked + label {border-color: #009E73; background: #009E7322}
.course-predict .because {visibility: hidden}
.course-predict input:checked ~ .because {visibility: visible}
.course-predict input:checked ~ .because::before {content: "Not quite. "; color: #D55E00}
.course-predict input.right:checked ~ .because::before {content: "Right. "; color: #009E73}
@media print {.course-predict .because {visibility: visible}}
</style>
"""


class Prediction:
    """What `predict` shows: on a page with buttons, elsewhere as text."""

    def __init__(
        self,
        question: str,
        choices: Sequence[str],
        answer: str,
        because: str,
        label: str = "Predict first",
    ):
        self.question, self.choices = question, list(choices)
        self.answer, self.because, self.label = answer, because, label

    def __repr__(self) -> str:
        choices = "".join(f"\n  ( ) {choice}" for choice in self.choices)
        return f"{self.label}: {self.question}{choices}\nAnswer: {self.answer}. {self.because}"

    def _repr_html_(self) -> str:
        name = "predict-" + hashlib.sha1(repr(self).encode()).hexdigest()[:10]
        buttons = "".join(
            f'<input type="radio" name="{name}" id="{name}-{n}"'
            f"{' class=right' if choice == self.answer else ''}>"
            f'<label for="{name}-{n}">{escape(choice)}</label>\n'
            for n, choice in enumerate(self.choices)
        )
        return (
            f'{STYLE}<div class="course-predict" role="radiogroup" '
            f'aria-label="{escape(self.question)}">\n'
            f"<p><b>{escape(self.label)}.</b> {escape(self.question)}</p>\n{buttons}"
            f'<p class="because" aria-live="polite"><b>Answer: {escape(self.answer)}.</b> '
            f"{escape(self.because)}</p>\n</div>"
        )


def predict(
    question: str,
    choices: Sequence[str],
    answer: str,
    because: str,
    label: str = "Predict first",
) -> None:
    """Ask for a guess, and show the answer with its reason once there is one.

        predict("Is this ELBO above log p(x), or below it?", ["above", "below"],
                answer="above" if elbo > log_px else "below",
                because="It is a lower bound.")

    A guess is a click, or Tab and the arrow keys; it can be changed, and stays on the page. No
    kernel is needed for it. As plain text and in print, the answer stands below the question.

    Args:
        question: plain text, as is everything here.
        choices: two or more, each different.
        answer: one of them; computed on the page where it can be.
        because: the reason, a sentence or two.
        label: what stands before the question.
    Raises:
        ValueError: for anything that is not text, or an answer that is not among the choices.
    """
    texts = {"question": question, "answer": answer, "because": because, "label": label}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name}: expected text, got {described(text)}")
    listed = isinstance(choices, Sequence) and not isinstance(choices, str)
    if not listed or not all(isinstance(c, str) and c.strip() for c in choices):
        raise ValueError(f"choices: expected a list of texts, got {described(choices)}")
    if len(set(choices)) < max(2, len(choices)):
        raise ValueError(
            f"choices: expected two or more, each different, got {described(choices)}"
        )
    if answer not in choices:
        raise ValueError(f"answer: expected one of {described(list(choices))}, got {answer!r}")
    display(Prediction(question, choices, answer, because, label))
