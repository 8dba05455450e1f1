"""Mistakes that are inserted into a source, one at a time: those of cosmic-ray, without uninformative ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

#: Left out: `X | None` in annotations; `is` for `==`; comparisons of strings by order, as in `state < "online"`; of the
#: six comparison operators those that are killed wherever three others are (Kaminski, Ammann, Offutt 2013); for + - * /
#: all but the opposite.
_EXCLUDED = re.compile(
    r"""core/(
    ReplaceBinaryOperator_(?!Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Pow_Mul)\w+
    | ReplaceComparisonOperator_(Eq|NotEq)_(Lt|LtE|Gt|GtE)
    | ReplaceComparisonOperator_(Lt_Gt|Gt_Lt|Lt_Eq|Gt_Eq|LtE_NotEq|GtE_NotEq|LtE_GtE|GtE_LtE)
    | ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_Is(Not)?
    | ReplaceComparisonOperator_Is(Not)?_(Eq|NotEq|Lt|LtE|Gt|GtE)
    )$""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Mistake:
    """A source with one mistake."""

    name: str  #: operator, and number of the place where it is applied
    source: str
    line: int
    where: str  #: function or class
    before: str
    after: str


def mistakes_in(source: str) -> Iterator[Mistake]:
    """Yield every mistake that can be inserted into this source."""
    for name in operator_names():
        operator_class = get_operator(name)
        if operator_class.arguments() or _EXCLUDED.match(name):
            continue
        operator = operator_class()
        nodes = [node for node in ast_nodes(get_ast(source)) for _ in operator.mutation_positions(node)]
        for number, node in enumerate(nodes):
            mutant = mutate_code(source, operator, number)
            if mutant is None or mutant == source:
                continue
            before, after = _difference(source, mutant)
            if "Mul_" in name and "def " in before:  # the star before keyword arguments is not a multiplication
                continue
            where = ASTQuery(node).get_definition_name() or ""
            yield Mistake(f"{name}:{number}", mutant, node.start_pos[0], where, before, after)


def _difference(source: str, mutant: str) -> tuple[str, str]:
    lines = list(unified_diff(source.splitlines(), mutant.splitlines(), lineterm="", n=0))[3:]
    removed, added = ([line[1:].strip() for line in lines if line[:1] == mark] for mark in "-+")
    return " ".join(removed), " ".join(added)
