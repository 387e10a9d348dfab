"""What is too large of the parameters a write brings. Pure.

Only parameters are looked at: what a statement computes, and what stands in it as text, passes unseen.
"""

from __future__ import annotations

from auroral.local.double import refusals, wire
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.refusals import Refusal
from auroral.local.double.statements import RowShape, Statement

MOST_COLUMN_BYTES = 1024 * 1024
MOST_ROW_BYTES = 2 * 1024 * 1024
MOST_KEY_BYTES = 1024


def refusal(statement: Statement, bind: bytes, catalogue: Catalogue) -> Refusal | None:
    """What DSQL's sizes refuse of a Bind's payload."""
    sizes = wire.parameter_sizes(bind)
    if max(sizes, default=0) > MOST_COLUMN_BYTES:
        return refusals.COLUMN_SIZE
    shape = statement.shape
    if shape is None:
        return refusals.ROW_SIZE if sum(sizes) > MOST_ROW_BYTES else None
    key = _key(shape, catalogue)
    for row in shape.rows:
        given = [(column, sizes[parameter]) for column, parameter in row if parameter < len(sizes)]
        if sum(size for _, size in given) > MOST_ROW_BYTES:
            return refusals.ROW_SIZE
        if sum(size for column, size in given if column in key) > MOST_KEY_BYTES:
            return refusals.KEY_SIZE
    return None


def _key(shape: RowShape, catalogue: Catalogue) -> frozenset[int]:
    """The numbers of those columns of an INSERT that are the table's primary key."""
    table = catalogue.table(shape.table)
    if table is None:
        return frozenset()
    columns = shape.columns or tuple(table.types)
    return frozenset(at for at, name in enumerate(columns) if name in table.primary_key)
