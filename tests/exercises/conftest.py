"""A slow machine is no reason to cut an answer: only what never ends meets the time limit here."""

import pytest


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr("course_utils.exercises.time_limit.TIME_LIMIT", 60.0)
