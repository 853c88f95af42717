"""The definitions that stand on a notebook's page, brought to life for comparison."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import torch
from torch import Tensor, nn

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def shown(notebook: int | str, *names: str, **given) -> SimpleNamespace:
    """The functions and classes called `names` on the page of a notebook: 5, or "start_here".

    All imports and the named definitions are executed, and nothing else. `given` are the globals
    that the definitions use besides (`device`, say).

    Raises:
        LookupError: if the notebook or one of the names is not there exactly once.
    """
    name = f"{notebook:02d}_*" if isinstance(notebook, int) else notebook
    paths = sorted(NOTEBOOKS.glob(f"{name}.ipynb"))
    if len(paths) != 1:
        raise LookupError(f"expected one notebook {name}, found {[p.name for p in paths]}")
    page, wanted = dict(given), list(names)
    for cell in nbformat.read(paths[0], as_version=4).cells:
        if cell.cell_type != "code":
            continue
        lines = (line for line in cell.source.split("\n") if not line.lstrip().startswith("%"))
        try:
            body = ast.parse("\n".join(lines)).body
        except SyntaxError:
            continue  # a cell whose block holds nothing but a magic: the installation
        for node in body:
            imports = isinstance(node, ast.Import | ast.ImportFrom)
            defines = getattr(node, "name", None) in names
            if imports or defines:
                exec(compile(ast.Module([node], []), paths[0].name, "exec"), page)
            if defines:
                wanted.remove(node.name)
    if wanted:
        raise LookupError(f"{paths[0].name} does not define {wanted}")
    return SimpleNamespace(**{name: page[name] for name in names})


def assert_twins(on_page, in_package) -> None:
    """What a page shows and what the package holds give the same, tensor by tensor, to 1e-6."""
    torch.testing.assert_close(on_page, in_package, rtol=1e-6, atol=1e-6)


def alike(on_page: nn.Module, in_package: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Both networks in float64 with the package's weights: one architecture, one set of names."""
    on_page.load_state_dict(in_package.state_dict())
    return on_page.double(), in_package.double()


def assert_same_steps(
    pair: tuple[nn.Module, nn.Module], score: Callable[[nn.Module, Tensor], Tensor], x: Tensor
) -> None:
    """A score (B,) and the gradients of its mean are the same for both networks of a pair.

    Both draw the same noise.
    """
    results = []
    for model in pair:
        torch.manual_seed(1)
        scores = score(model, x)
        scores.mean().backward()
        results.append([scores, *(p.grad for p in model.parameters())])
    assert_twins(*results)
