"""What stands in the package's docstrings: the examples run, and what is public has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import torch

import course_utils

NAMES = sorted(
    found.name for found in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
)


@pytest.fixture(scope="module")
def modules():
    return [importlib.import_module(name) for name in NAMES]


def test_examples_do_what_they_say(modules):
    torch.manual_seed(0)
    results = [doctest.testmod(module) for module in modules]
    assert not sum(result.failed for result in results)
    assert sum(result.attempted for result in results) >= 10


def public(module):
    """(name, object) of the public functions, classes and methods that are written in a module."""
    for name, found in vars(module).items():
        if name.startswith("_") or getattr(found, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(found) or inspect.isclass(found):
            yield f"{module.__name__}.{name}", found
        if inspect.isclass(found):
            for method, code in vars(found).items():
                if inspect.isfunction(code) and not method.startswith("_"):
                    yield f"{module.__name__}.{name}.{method}", code


def test_whatever_is_public_says_what_it_does(modules):
    assert not [name for m in modules for name, found in public(m) if not inspect.getdoc(found)]
