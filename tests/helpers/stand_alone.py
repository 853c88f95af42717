"""An exercise of a notebook as a program of its own: set-up, definitions, exercise, check.

The checks are written so that a student may jump to an exercise after the set-up cell and the
definitions that it names: nothing that was trained or computed on the way is needed. So they can
be run in a second, by these tests and by a grader, without the notebook around them.
"""

import ast
import builtins
import functools
import symtable

DEFAULT_DTYPE = "torch.set_default_dtype("  # changes what every later line means


@functools.cache  # a notebook is read once for each of its exercises
def free_names(source: str) -> frozenset[str]:
    """The names that a program reads and does not bind at its top level."""
    top = symtable.symtable(source, "<cell>", "exec")
    tables, used = [top], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        outermost = table is top
        used |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (outermost or symbol.is_global())
        }
    return frozenset(used - bound_names(source) - set(dir(builtins)))


@functools.cache
def bound_names(source: str) -> frozenset[str]:
    """The names that a program binds at its top level."""
    symbols = symtable.symtable(source, "<cell>", "exec").get_symbols()
    return frozenset(s.get_name() for s in symbols if s.is_assigned() or s.is_imported())


def is_definition(node: ast.stmt) -> bool:
    """An import, a function, a class, or a name for a literal such as `D = 784`."""
    if isinstance(node, ast.Assign):
        try:
            ast.literal_eval(node.value)
        except ValueError:
            return False
        return True
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def without_magics(source: str) -> str:
    return "\n".join("pass" if line.startswith("%") else line for line in source.split("\n"))


@functools.cache
def statements(source: str) -> tuple[tuple[ast.stmt, str], ...]:
    """The statements of a cell, each with its source."""
    return tuple((node, ast.unparse(node)) for node in ast.parse(without_magics(source)).body)


def preamble(nb, *cells) -> tuple[str, set[str]]:
    """What must run before the given cells of a notebook, and what cannot be had so cheaply.

    Returns:
        The source of the set-up cell and of the definitions that the cells need, directly or
        through others, in the notebook's order; and the names that only a computation on the
        page binds.
    """
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    (setup,) = [cell for cell in code if cell.id == "setup"]
    before = code[code.index(setup) + 1 : code.index(cells[0])]
    page = [pair for cell in before for pair in statements(cell.source)]
    sources = [source for _, source in page]
    last = {name: i for i, source in enumerate(sources) for name in bound_names(source)}
    kept = {i for i, source in enumerate(sources) if source.startswith(DEFAULT_DTYPE)}
    bound = set().union(*(bound_names(cell.source) for cell in (setup, *cells)))
    wanted, state = set().union(*(free_names(cell.source) for cell in cells)) - bound, set()
    while wanted:
        name = wanted.pop()
        bound.add(name)
        if name in last and is_definition(page[last[name]][0]):
            kept.add(last[name])
            wanted |= free_names(sources[last[name]]) - bound
        else:
            state.add(name)
    return "\n\n".join([setup.source, *(sources[i] for i in sorted(kept))]), state
