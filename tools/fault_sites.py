"""Where faults can be planted in the package, and how to find the same place in other code.

A slip is a small change of a syntax tree: another sign, a statement left out. A site is one slip
at one place. It is known by its function, its statement and a count, neither by file nor by line.
"""

import ast
import copy
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

PACKAGES = ("course_utils", "tools")
PAIRS = {
    "sign": [(ast.Add, ast.Sub)],
    "factor": [(ast.Mult, ast.Div)],
    "logic": [(ast.And, ast.Or)],
    "comparison": [
        (ast.Lt, ast.LtE),
        (ast.Gt, ast.GtE),
        (ast.Eq, ast.NotEq),
        (ast.Is, ast.IsNot),
        (ast.In, ast.NotIn),
    ],
}
OTHER = {a: (name, b) for name, pairs in PAIRS.items() for p in pairs for a, b in (p, p[::-1])}
NOT_NUMBERS = ast.JoinedStr | ast.List | ast.Tuple  # joined or repeated, not added or multiplied
SYMMETRIC = {"max", "min", "maximum", "minimum", "isinstance", "issubclass", "allclose", "equal"}
AXES = {"dim", "axis", "start_dim", "end_dim", "keepdim", "keepdims"}
LAST_IS_AXIS = re.compile(
    "sum|mean|std|var|prod|any|all|max|min|amax|amin|argmax|argmin|cumsum|softmax|log_softmax|"
    "logsumexp|flatten|squeeze|unsqueeze|cat|stack|concatenate|norm|flip|chunk"
)
TELLING = 25  # letters of an expression that tell it from all others, whatever is around it
BLOCKS = {"body", "orelse", "finalbody", "handlers", "cases"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Site:
    """A place for one fault: what stands there and what is planted."""

    room: str
    file: str
    line: int
    qualname: str
    statement: str
    operator: str
    repeat: int  # which of the equal statements of this function
    place: int  # which of the places for this operator in the statement
    old: str
    new: str
    span: tuple[int, int]  # bytes of the file
    lines: tuple[int, int]  # a test that executes one of them is tried


def room_of(file: str) -> str:
    """The room of the package; the student editions were one, so they still count as one."""
    package, inner = Path(file).parts[:2]
    return Path(inner).stem if package == "course_utils" or inner == "release.py" else package


def never_run(node: ast.AST) -> bool:
    words = ast.unparse(node.test) if isinstance(node, ast.If) else ""
    return words == "TYPE_CHECKING" or words.startswith("__name__ ==")


def statements(
    owner: ast.AST, path: tuple[str, ...] = (), scope: ast.AST | None = None
) -> Iterator[tuple[str, ast.stmt, ast.AST]]:
    """Every statement below a node as (qualified name, statement, enclosing function or class)."""
    scope = scope or owner
    for child in ast.iter_child_nodes(owner):
        if never_run(child):
            continue
        if isinstance(child, ast.stmt):
            defines = isinstance(child, Function | ast.ClassDef)
            inner = (*path, child.name) if defines else path
            yield ".".join(inner), child, scope
            yield from statements(child, inner, child if defines else scope)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from statements(child, path, scope)


def header(statement: ast.stmt) -> str:
    """A statement without the block below it and without annotations, laid out uniformly."""
    short = copy.copy(statement)
    for name in BLOCKS & set(statement._fields):
        setattr(short, name, [ast.Pass()] if name == "body" else [])
    if isinstance(short, Function):
        short = copy.deepcopy(short)
        short.returns = None
        for argument in ast.walk(short.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
    return ast.unparse(short).removesuffix("\n    pass")


def expressions(node: ast.AST) -> Iterator[ast.AST]:
    """What a statement holds, outer ones first; annotations and f-strings are left alone."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or (isinstance(node, ast.stmt) and name in BLOCKS):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield child
                yield from expressions(child)


def numbers(*nodes: ast.expr) -> bool:
    return not any(
        isinstance(n, NOT_NUMBERS) or isinstance(getattr(n, "value", None), str) for n in nodes
    )


def axes_of(node: ast.AST) -> list[ast.expr]:
    """The constants of a call that choose an axis, or whether it is kept."""
    if not isinstance(node, ast.Call):
        return []
    axes = [keyword.value for keyword in node.keywords if keyword.arg in AXES]
    if isinstance(node.func, ast.Attribute) and LAST_IS_AXIS.fullmatch(node.func.attr):
        axes += node.args[-1:]
    return [axis for axis in axes if re.fullmatch(r"-?\d+|True|False", ast.unparse(axis))]


def slips_of_a_call(call: ast.Call) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Another axis, and neighbouring arguments swapped."""
    for axis in axes_of(call):
        value = ast.literal_eval(axis)
        other = not value if isinstance(value, bool) else -1 if value == 0 else 0
        yield "shape", axis, ast.Constant(other)
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in SYMMETRIC or any(isinstance(a, ast.Starred) for a in call.args):
        return
    for i, (one, other) in enumerate(zip(call.args, call.args[1:])):
        if ast.unparse(one) != ast.unparse(other):
            swapped = [*call.args[:i], other, one, *call.args[i + 2 :]]
            yield "arguments", call, ast.Call(call.func, swapped, call.keywords)


def slips(node: ast.AST) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """What might be wrong at a node, as (operator, node to replace, what stands there instead)."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in OTHER and numbers(left, right):
            operator, other = OTHER[type(op)]
            yield operator, node, ast.BinOp(left, other(), right)
        case ast.AugAssign(target, op, value):
            if type(op) in OTHER and numbers(value):
                operator, other = OTHER[type(op)]
                yield operator, node, ast.AugAssign(target, other(), value)
            yield "drop", node, ast.Pass()
        case ast.BoolOp(op, values):
            operator, other = OTHER[type(op)]
            yield operator, node, ast.BoolOp(other(), values)
        case ast.Compare(left, ops, values):
            for i, op in enumerate(ops):
                operator, other = OTHER[type(op)]
                yield operator, node, ast.Compare(left, [*ops[:i], other(), *ops[i + 1 :]], values)
        case ast.UnaryOp(ast.USub(), operand):
            yield "sign", node, operand
        case ast.UnaryOp(ast.Not(), operand):
            yield "logic", node, operand
        case ast.Constant(bool() as value):
            yield "boolean", node, ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield "number", node, ast.Constant(value + 1)
        case ast.Call():
            yield from slips_of_a_call(node)
        case ast.Return(value) if value and ast.unparse(value) != "None":
            yield "return", node, ast.Return(ast.Constant(None))
        case ast.Expr(value) if not isinstance(value, ast.Constant | ast.Yield | ast.YieldFrom):
            yield "drop", node, ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript(), *_]) | ast.Raise():
            yield "drop", node, ast.Pass()


def slips_of_a_statement(statement: ast.stmt) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    nodes = [statement, *expressions(statement)]
    axes = {id(part) for node in nodes for axis in axes_of(node) for part in ast.walk(axis)}
    for node in nodes:
        if id(node) not in axes:  # they have had their slip with the call
            yield from slips(node)


def lines_that_run(statement: ast.stmt, scope: ast.AST) -> tuple[int, int]:
    """The lines whose tests may notice a fault: what a module or class holds runs at import."""
    if isinstance(statement, Function):
        return statement.body[0].lineno, statement.end_lineno
    if isinstance(statement, ast.ClassDef):
        return statement.lineno, statement.end_lineno
    if not isinstance(scope, Function):
        return getattr(scope, "lineno", 1), getattr(scope, "end_lineno", 10**6)
    block = getattr(statement, "body", None)
    last = max(statement.lineno, block[0].lineno - 1) if block else statement.end_lineno
    return statement.lineno, last


def sites_of(checkout: Path) -> list[Site]:
    """All faults that can be planted in the package of a checkout."""
    found, repeats = [], Counter()
    for path in sorted(p for name in PACKAGES for p in (checkout / name).rglob("*.py")):
        file, source = path.relative_to(checkout).as_posix(), path.read_bytes()
        starts = [0, *(m.end() for m in re.finditer(rb"\n", source))]
        for qualname, statement, scope in statements(ast.parse(source)):
            text, places = header(statement), Counter()
            for operator, old, new in slips_of_a_statement(statement):
                begin = starts[old.lineno - 1] + old.col_offset
                end = starts[old.end_lineno - 1] + old.end_col_offset
                words = ast.unparse(new)
                site = Site(
                    room=room_of(file),
                    file=file,
                    line=old.lineno,
                    qualname=qualname,
                    statement=text,
                    operator=operator,
                    repeat=repeats[qualname, text],
                    place=places[operator],
                    old=ast.unparse(old),
                    new=words if isinstance(new, ast.stmt) else f"({words})",
                    span=(begin, end),
                    lines=lines_that_run(statement, scope),
                )
                places[operator] += 1
                found.append(site)
            repeats[qualname, text] += 1
    return found


def planted(source: bytes, site: Site) -> bytes:
    """The source of a file with a fault in it."""
    begin, end = site.span
    wrong = source[:begin] + site.new.encode() + source[end:]
    ast.parse(wrong)
    return wrong


# Drawing


def shares(counts: Counter, total: int, least: int) -> Counter:
    """Numbers in proportion to the counts, none below `least`, that add up to the total."""
    share = Counter({name: min(least, count) for name, count in counts.items()})
    while share.total() < min(total, counts.total()):
        short = {n: counts[n] / (share[n] + 1) for n in counts if share[n] < counts[n]}
        share[max(short, key=short.get)] += 1
    return share


def draw(sites: list[Site], number: int, seed: int, least: int = 3) -> list[Site]:
    """Faults from all rooms and of all operators in proportion, at most one in a statement."""
    kinds = ("room", "operator")
    counts = {kind: Counter(getattr(site, kind) for site in sites) for kind in kinds}
    left = {kind: shares(counts[kind], number, least) for kind in kinds}
    shuffled = random.Random(seed).sample(sites, len(sites))
    shuffled.sort(key=lambda s: min(counts[k][getattr(s, k)] for k in kinds))  # the rare first
    drawn, seen = [], set()
    for wanted in (kinds, ("operator",), ()):
        for site in shuffled:
            full = len(drawn) == number or (site.qualname, site.statement) in seen
            if not full and all(left[kind][getattr(site, kind)] > 0 for kind in wanted):
                drawn.append(site)
                seen.add((site.qualname, site.statement))
                for kind in kinds:
                    left[kind][getattr(site, kind)] -= 1
    return sorted(drawn, key=lambda s: (s.room, s.file, s.span))


# Finding a listed fault again


def loose(text: str) -> str:
    """Without the underscores in front of names: a private name may have become public."""
    return re.sub(r"\b_+(?=[A-Za-z])", "", text)


def by_hand(checkout: Path, words: dict) -> Site:
    """The site of an equivalent, which a list gives as text."""
    files = [words["file"]] if words.get("file") else sorted({s.file for s in sites_of(checkout)})
    old, places = words["old"].encode(), []
    for file in files:
        source = (checkout / file).read_bytes()
        places += [(file, source, m.start()) for m in re.finditer(re.escape(old), source)]
    if len(places) != 1:
        raise ValueError(f"{words['old']!r} stands in {len(places)} places, not in one")
    ((file, source, begin),) = places
    line = source.count(b"\n", 0, begin) + 1
    *_, (qualname, statement, scope) = (
        s for s in statements(ast.parse(source)) if s[1].lineno <= line <= s[1].end_lineno
    )
    return Site(
        room=room_of(file),
        file=file,
        line=line,
        qualname=qualname,
        statement=header(statement),
        operator="by hand",
        repeat=0,
        place=0,
        old=words["old"],
        new=words["new"],
        span=(begin, begin + len(old)),
        lines=lines_that_run(statement, scope),
    )


def find(fault: dict, sites: list[Site], checkout: Path) -> tuple[str, Site | None]:
    """How a listed fault was found in this code, and where."""
    if fault.get("equivalent"):
        return "by hand", by_hand(checkout, fault["equivalent"])
    wanted = SimpleNamespace(**fault)
    for how, key in {
        "exact": lambda s: (s.qualname, s.statement, s.operator, s.repeat, s.place),
        "renamed": lambda s: (loose(s.qualname), loose(s.statement), s.operator, s.place),
        "moved": lambda s: (loose(s.statement), s.operator, s.place),
        "reworded": lambda s: (loose(s.old), loose(s.new), len(s.old) > TELLING or s.statement),
    }.items():
        same = [site for site in sites if key(site) == key(wanted)]
        if len(same) == 1:
            return how, same[0]
    return "not found", None
