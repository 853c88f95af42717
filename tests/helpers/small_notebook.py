"""A small notebook in the course's form, for tests of the student editions."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.student_editions import student_edition, tag

FIGURE = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 800x400 with 1 Axes>"}
DOUBLE = """def double(x):
    \"\"\"Twice x, of the same shape.\"\"\"
    ### BEGIN SOLUTION
    y = x + x  # not a word of this
    return y
    ### END SOLUTION"""
NUMBERS = """### BEGIN SOLUTION
helper = 2.0
half, third = 1 / helper, 1 / 3
### END SOLUTION"""
LINKS = """See ![a map](figures/map.svg "Map"), [the next](01_next.ipynb#part),
[data](../data/README.md), [here](#exercises), [a paper](https://example.org/x.pdf),
<img src="figures/map.svg" alt="a map">
and `[code](figures/map.svg)`; $f[x](y)$.

[label]: figures/map.svg"""


def markdown(name, source):
    return new_markdown_cell(source, id=name)


def code(name, source, *outputs, tags=(), count=1):
    metadata = {"tags": list(tags)} if tags else {}
    cell = new_code_cell(source, id=name, metadata=metadata, outputs=list(outputs))
    cell.execution_count = count
    return cell


def good():
    """A notebook without a fault, nbgrader's metadata included."""
    nb = new_notebook(
        cells=[
            markdown("title", "# A title"),
            code("setup", "import math"),
            markdown("links", LINKS),
            code("for_lecturers", "print('how to teach this')", tags=["instructor"]),
            code("answer", "print('shown in class')", tags=["solution"]),
            code("plot", "plot()", new_output("display_data", FIGURE), tags=["hide-input"]),
            markdown("exercises", "## Exercises\n\n**1 · Twice.** Fill in one line."),
            code("ex1", DOUBLE, new_output("stream", text="14\n"), count=7),
            code("ex1_check", "assert double(7) == 14"),
            markdown("ex2_text", "**2 · Parts (3 points).** Set two numbers."),
            code("ex2", NUMBERS),
            code("ex2_check", "assert abs(half + third - 5 / 6) < 1e-9"),
            code(
                "expected",
                "print(1)\nplot(double)",
                new_output("stream", text="1\n"),
                new_output("execute_result", FIGURE, execution_count=9),
                tags=["expected-result"],
                count=9,
            ),
        ]
    )
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    tag(nb)
    return nb


EDITIONS = {"00_small.ipynb", "01_next.ipynb"}


def edition(nb, name="00_small.ipynb"):
    return student_edition(nb, name, EDITIONS)


def cell(nb, name):
    (found,) = [cell for cell in nb.cells if cell.id == name]
    return found
