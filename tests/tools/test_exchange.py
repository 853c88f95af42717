"""nbgrader's exchange, as CLASS.md sets it up: two graders and ten students, all Unix users.

Homework goes out and comes back through the shared folder, both graders mark, and the grades leave
as CSV. Part of `make test-grading`, on Linux as root. The notebook is small: what graded notebooks
of the course give is the matter of test_grading.py.
"""

import csv
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from helpers.homework import filled_in, small
from helpers.unix_users import (
    as_user,
    can_make_users,
    can_read,
    command,
    make_user,
    packages,
    public_python,
    remove_left_users,
    remove_user,
    skip_without,
)

from tools.exercise_cells import exercises_of
from tools.notebook_files import content

GUIDE = Path(__file__).resolve().parents[2] / "CLASS.md"
NAME = "90_small"
STUDENTS = 10
SLIPS = {"ex1": ("return 2 * x", "return 2 + x")}
pytestmark = [pytest.mark.grading, pytest.mark.slow]


def settings(of: str) -> str:
    """The configuration of nbgrader that the guide shows for `of`."""
    page = GUIDE.read_text(encoding="utf-8")
    found = re.findall(r"`([^`]*nbgrader_config\.py)`[^`]*```python\n(.*?)```", page, re.DOTALL)
    (text,) = [text for path, text in found if path.startswith(of)]
    return text


class Course:
    """The folders, the graders and the students; `with Course() as course` makes them."""

    def __enter__(self) -> "Course":
        self.python = public_python()
        self.folder, self.users = Path(tempfile.mkdtemp(prefix="vae-exchange-")), []
        self.group = self.folder.name
        try:
            self._lay_out()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _lay_out(self) -> None:
        self.folder.chmod(0o755)
        remove_left_users()
        command("groupadd", self.group, what="groupadd")
        homes, skeleton = self.folder / "homes", self.folder / "skel"
        homes.mkdir()
        skeleton.mkdir()
        for number in range(2 + STUDENTS):
            more = ["--groups", self.group] if number < 2 else []
            self.users.append(make_user(homes, skeleton, *more))
        self.graders, self.students = self.users[:2], self.users[2:]
        # As the guide has it, with this folder in the place of /srv/nbgrader.
        self.exchange, self.course = self.folder / "srv/exchange", self.folder / "srv/vae"
        for mode, path in (("2777", self.exchange), ("2770", self.course)):
            command("install", "-d", "-m", mode, "-g", self.group, path, what="install")
        for path, of in ((self.folder / "etc", "/etc"), (self.course, "/srv")):
            path.mkdir(exist_ok=True)
            text = settings(of).replace("/srv/nbgrader", str(self.folder / "srv"))
            (path / "nbgrader_config.py").write_text(text)
        # nbgrader calls alembic, which the running environment may have for root alone.
        tools = self.folder / "bin"
        tools.mkdir()
        for tool, module in (("alembic", "alembic"), ("nbgrader", "nbgrader")):
            (tools / tool).write_text(f'#!/bin/sh\nexec {self.python} -m {module} "$@"\n')
            (tools / tool).chmod(0o755)

    def __exit__(self, *_) -> None:
        for user in self.users:
            remove_user(user.name)
        subprocess.run(["groupdel", self.group], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, user, script: str, folder: Path | None = None) -> str:
        """What a shell of the user's says to a script; it must not fail."""
        env = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "PYTHONPATH": ":".join(packages()),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(user.home),
            "JUPYTER_CONFIG_PATH": str(self.folder / "etc"),
            "COURSE_BUDGET": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
        }
        run = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=folder or user.home,
            env=env,
            capture_output=True,
            text=True,
            **as_user(user.name),
        )
        assert run.returncode == 0, f"{script}\n{run.stdout}\n{run.stderr}"
        return run.stdout + run.stderr

    def grade(self, grader, script: str) -> str:
        """As `run`, in the graders' common folder, with files that the other one may change."""
        return self.run(grader, f"umask 007\n{script}", self.course)


@pytest.fixture(scope="module")
def course():
    """Released, fetched and handed in, collected, marked by both graders at once, exported."""
    skip_without(can_make_users, lambda: can_read("nbgrader"))
    with Course() as course:
        hand_out(course)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda student: hand_in(course, student), course.students))
        course.said = course.grade(course.graders[1], "nbgrader collect homework")
        with ThreadPoolExecutor(2) as pool:
            parts = ["*[02468]", "*[13579]"]  # the students' names are numbered
            mark = "nbgrader autograde homework --student='{}'"
            list(pool.map(lambda g, p: course.grade(g, mark.format(p)), course.graders, parts))
        mark_a_later_answer(course)
        yield course


def hand_out(course) -> None:
    """The first grader's part; beside it, what students will answer."""
    source = small()
    course.points = sum(e.points for e in exercises_of(source))
    course.lost = sum(e.points for e in exercises_of(source) if e.cell.id in SLIPS)
    answers = course.folder / "answers"
    answers.mkdir()
    (answers / "source.ipynb").write_bytes(content(source))
    lines = [f"{s.name},A,Student {n},{n}@example.org" for n, s in enumerate(course.students)]
    (answers / "students.csv").write_text("\n".join(["id,first_name,last_name,email", *lines]))
    course.grade(
        course.graders[0],
        f"""mkdir -p source/homework
        cp {answers}/source.ipynb source/homework/{NAME}.ipynb
        nbgrader generate_assignment homework
        chmod g+w gradebook.db
        nbgrader release_assignment homework
        nbgrader db student import {answers}/students.csv""",
    )
    released = nbformat.read(course.exchange / f"vae/outbound/homework/{NAME}.ipynb", 4)
    (answers / "untouched.ipynb").write_bytes(content(released))
    (answers / "solved.ipynb").write_bytes(content(filled_in(released, source)))
    (answers / "slips.ipynb").write_bytes(content(filled_in(released, source, SLIPS)))


def kind(course, student) -> str:
    """What a student hands in: every fourth one nothing at all."""
    return ["solved", "untouched", "slips", "nothing"][course.students.index(student) % 4]


def hand_in(course, student, answer: str = "") -> None:
    answer = answer or kind(course, student)
    if answer == "nothing":
        return
    file = f"homework/{NAME}.ipynb"
    course.run(
        student,
        f"""test -d homework || nbgrader fetch_assignment homework
        cp {course.folder}/answers/{answer}.ipynb {file}
        nbgrader submit homework""",
    )


def mark_a_later_answer(course) -> None:
    """A student hands in a second time; the grader who did not mark the first answer marks it."""
    course.late = course.students[1]
    name = course.late.name
    course.first_owner = (course.course / f"autograded/{name}/homework").stat().st_uid
    (course.other,) = [g for g in course.graders if g.uid != course.first_owner]
    hand_in(course, course.late, "solved")
    course.grade(
        course.other,
        f"""nbgrader collect --update homework --student={name}
        nbgrader autograde --force homework --student={name}""",
    )


def grades(course, grader: int = 0) -> list[dict]:
    """The rows of the export."""
    export = "nbgrader export --assignment='[\"homework\"]' --to=grades.csv"
    course.grade(course.graders[grader], export)
    with open(course.course / "grades.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def expected(course, answer: str) -> float:
    full = float(course.points)
    return {"solved": full, "slips": full - course.lost, "untouched": 0.0, "nothing": 0.0}[answer]


def test_each_student_has_the_points_of_the_answer(course):
    found = {row["student_id"]: float(row["score"]) for row in grades(course)}
    wanted = {s.name: expected(course, kind(course, s)) for s in course.students}
    wanted[course.late.name] = float(course.points)
    assert found == wanted and 0 < course.lost < course.points


def test_the_export_is_what_moodle_reads(course):
    """One row for each student, who is known by the address; numbers with a point, up to 100."""
    rows = grades(course, grader=1)
    assert {"email", "score", "max_score"} <= set(rows[0]) and None not in rows[0]
    assert sorted(row["email"] for row in rows) == [f"{n}@example.org" for n in range(STUDENTS)]
    assert all(0 <= float(row["score"]) <= float(row["max_score"]) <= 100 for row in rows)
    guide = GUIDE.read_text(encoding="utf-8")
    assert all(f"`{column}`" in guide for column in ("email", "score"))


def test_every_submission_belongs_to_the_student_who_is_named(course):
    assert "cheating" not in course.said
    handed_in = [s for s in course.students if kind(course, s) != "nothing"]
    inbound = list((course.exchange / "vae/inbound").iterdir())
    assert {path.name.split("+")[0] for path in inbound} == {s.name for s in handed_in}
    assert {path.stat().st_uid for path in inbound} == {s.uid for s in handed_in}


@pytest.mark.parametrize("what", ["ls {exchange}/vae/inbound", "ls {course}", "cat {course}/*"])
def test_a_student_sees_neither_submissions_nor_grades(course, what):
    script = what.format(exchange=course.exchange, course=course.course)
    said = course.run(course.students[0], f"{script} 2>&1 && echo seen || true")
    assert "denied" in said and "seen" not in said


def test_a_later_answer_was_marked_anew_by_the_other_grader(course):
    """Who marked it first owned the files; the group may replace them."""
    marked = course.course / f"autograded/{course.late.name}/homework"
    assert marked.stat().st_uid == course.other.uid != course.first_owner
    (row,) = [row for row in grades(course) if row["student_id"] == course.late.name]
    assert float(row["score"]) == course.points
