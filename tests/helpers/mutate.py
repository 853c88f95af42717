"""Mutants of a solution: copies with one plausible slip each, made by rewriting its syntax tree.

The operators know nothing of the exercises; each takes one node of a solution and yields what
might stand there by mistake. Whether a mutant is wrong at all is for the caller to find out, by
running it beside the solution.
"""

import ast
import copy
from collections.abc import Iterator

from tools.exercise_cells import solution_regions

MODULES = {"torch", "math", "np", "nn", "stats", "linalg"}
PAIRS = [  # (one, other): each is tried in place of the other
    ("sum", "mean"),
    ("std", "var"),
    ("std", "log_var"),
    ("var", "log_var"),
    ("max", "min"),
    ("exp", "log"),
    ("exp", "expm1"),
    ("log", "log1p"),
    ("square", "abs"),
    ("norm", "sum"),
]
SPREADS = ("var", "std", "sigma", "scale", "log_var", "log_var_q", "log_var_p", "v", "std_q")
DRAWS = ("randn", "rand", "randn_like", "rand_like")
BINARY = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult],
}
COMPARE = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}


def times(node: ast.expr, factor: float) -> ast.expr:
    return ast.BinOp(ast.Constant(factor), ast.Mult(), node)


def power(node: ast.expr, exponent: float) -> ast.expr:
    return ast.BinOp(node, ast.Pow(), ast.Constant(exponent))


def slips_of_a_term(node: ast.BinOp) -> Iterator[ast.expr]:
    """Another operator, a missing term or factor, swapped operands."""
    for other in BINARY.get(type(node.op), []):
        yield ast.BinOp(node.left, other(), node.right)
    yield node.left
    yield node.right
    yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, ast.Sub):
        yield ast.UnaryOp(ast.USub(), node.right)
    if isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        yield times(node, 2)
    if isinstance(node.op, ast.MatMult):
        yield ast.BinOp(ast.Attribute(node.left, "T"), node.op, node.right)
        yield ast.BinOp(node.left, node.op, ast.Attribute(node.right, "T"))


def slips_of_a_call(node: ast.Call) -> Iterator[ast.expr]:
    """The call left out, swapped arguments, no or another axis, noise that is shared."""
    function, arguments = node.func, node.args
    name = getattr(function, "attr", getattr(function, "id", ""))
    method = isinstance(function, ast.Attribute) and not (
        isinstance(function.value, ast.Name | ast.Attribute)
        and getattr(function.value, "attr", getattr(function.value, "id", "")) in MODULES
    )
    if method:
        yield function.value
    elif len(arguments) == 1:
        yield arguments[0]
    for i in range(len(arguments) - 1):
        swapped = [*arguments[:i], arguments[i + 1], arguments[i], *arguments[i + 2 :]]
        yield ast.Call(function, swapped, node.keywords)
    axes = [a for a in arguments if method and isinstance(a, ast.Constant | ast.UnaryOp)]
    if axes or any(k.arg in ("dim", "axis") for k in node.keywords):
        yield ast.Call(function, [a for a in arguments if a not in axes], [])
        for axis in (0, 1, -1):
            yield ast.Call(function, [ast.Constant(axis)], [])
    if name in DRAWS:
        for i, size in enumerate(arguments):
            one = [ast.Constant(1)]
            if name.endswith("_like"):
                one = [ast.Subscript(size, ast.Slice(upper=ast.Constant(1)))]
            yield ast.Call(function, arguments[:i] + one + arguments[i + 1 :], node.keywords)


def slips_of_a_name(node: ast.Name) -> Iterator[ast.expr]:
    """Standard deviation, variance and log variance taken for one another."""
    if node.id in SPREADS and isinstance(node.ctx, ast.Load):
        yield power(node, 2)
        yield power(node, 0.5)
        yield times(node, 2)
        yield times(node, 0.5)
        yield ast.Call(ast.Attribute(node, "exp"), [], [])


def slips_of_a_number(node: ast.Constant) -> Iterator[ast.expr]:
    """Off by one, doubled, halved."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
        if node.value not in (0, 1, 2):
            yield ast.Constant(node.value * 2)
            yield ast.Constant(node.value / 2)


def slips_of_a_slice(node: ast.Slice) -> Iterator[ast.expr]:
    """Off by one at either end, or the other side of the cut."""
    for end in ("lower", "upper"):
        if place := getattr(node, end):
            for step in (ast.Add, ast.Sub):
                other = copy.copy(node)
                setattr(other, end, ast.BinOp(place, step(), ast.Constant(1)))
                yield other
    if node.step is None:
        yield ast.Slice(lower=node.upper, upper=node.lower)


def slips_of(node: ast.AST) -> Iterator[ast.AST]:
    """What might stand in place of one node."""
    match node:
        case ast.BinOp():
            yield from slips_of_a_term(node)
        case ast.UnaryOp():
            yield node.operand
        case ast.Call():
            yield from slips_of_a_call(node)
        case ast.Name():
            yield from slips_of_a_name(node)
        case ast.Constant():
            yield from slips_of_a_number(node)
        case ast.Slice():
            yield from slips_of_a_slice(node)
        case ast.Compare(ops=[operator]) if type(operator) in COMPARE:
            yield ast.Compare(node.left, [COMPARE[type(operator)]()], node.comparators)
        case ast.Attribute(attr="T" | "mT"):
            yield node.value
        case ast.Attribute():
            for one, other in PAIRS:
                if node.attr in (one, other):
                    yield ast.Attribute(node.value, other if node.attr == one else one, node.ctx)
        case ast.Return(value=ast.Tuple(elts=parts)):
            yield ast.Return(ast.Tuple(parts[::-1], ast.Load()))
        case ast.Return(value=value) if value is not None:
            for wrong in (times(value, 2), times(value, 0.5), ast.UnaryOp(ast.USub(), value)):
                yield ast.Return(wrong)
            for wrong in (power(value, 2), power(value, 0.5)):
                yield ast.Return(wrong)


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node below a tree as (parent, field, index in a list field, node)."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield parent, name, None, value
            elif isinstance(value, list):
                yield from ((parent, name, i, v) for i, v in enumerate(value) if v)


def slips_of_an_argument(node: ast.AST, tree: ast.Module) -> Iterator[ast.expr]:
    """One of the function's arguments taken for another."""
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        names = [argument.arg for argument in function.args.args]
        if isinstance(node, ast.Name) and node.id in names and node in ast.walk(function):
            yield from (ast.Name(name) for name in names if name != node.id)


def mutants(source: str) -> list[str]:
    """Sources of an exercise cell with one slip each, all within its solutions."""
    tree = ast.parse(source)
    regions, whole, found = solution_regions(source), ast.unparse(tree), {}
    for parent, name, index, node in list(places(tree)):
        line = node if hasattr(node, "lineno") else parent  # a slice has no line of its own
        if not hasattr(line, "lineno") or not any(region.holds(line) for region in regions):
            continue
        for wrong in [*slips_of(node), *slips_of_an_argument(node, tree)]:
            put(parent, name, index, wrong)
            found[ast.unparse(tree)] = None
            put(parent, name, index, node)
    found.pop(whole, None)
    return list(found)


def put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node
