"""What DSQL refuses of locking clauses. Pure: parse trees in, refusals and needs out.

AWS documents that FOR UPDATE takes a single table and an equality on every column of the primary key. A public
measurement of August 2026 (ministack) found no such limit, and says the same of FOR KEY SHARE. The double keeps to the
documentation, for both, unless it is told otherwise: what passes here passes there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from postgast import pg_query_pb2 as pb

from auroral.local.double import refusals
from auroral.local.double.grammar import nodes
from auroral.local.double.refusals import Refusal
from auroral.local.double.rules_tables import table_name
from auroral.local.double.statements import LockNeed

KINDS = {
    pb.LCS_FORKEYSHARE: "for key share",
    pb.LCS_FORSHARE: "for share",
    pb.LCS_FORNOKEYUPDATE: "for no key update",
    pb.LCS_FORUPDATE: "for update",
}
_ALLOWED = (pb.LCS_FORUPDATE, pb.LCS_FORKEYSHARE)


def clauses(root: Any) -> list[tuple[Any, str]]:
    """Every SELECT of a tree that has a locking clause, with the clause's kind; that of the tree itself too."""
    found = []
    if isinstance(root, pb.SelectStmt):
        found += [(root, KINDS[one.locking_clause.strength]) for one in root.locking_clause]
    for _, node in nodes(root):
        if isinstance(node, pb.SelectStmt):
            found += [(node, KINDS[one.locking_clause.strength]) for one in node.locking_clause]
    return found


def judge(select: Any, *, documented: bool) -> tuple[Refusal | None, LockNeed | None]:
    """One SELECT with locking clauses: what is refused at once, and what the table's key decides."""
    if any(one.locking_clause.strength not in _ALLOWED for one in select.locking_clause):
        return refusals.LOCK_MODE, None
    if not documented or not select.from_clause:
        return None, None
    if len(select.from_clause) != 1 or select.from_clause[0].WhichOneof("node") != "range_var":
        return refusals.LOCK_ONE_TABLE, None
    table = select.from_clause[0].range_var
    fixed = frozenset(_fixed(select.where_clause)) if select.HasField("where_clause") else frozenset()
    return None, LockNeed(table_name(table), fixed)


def _fixed(condition: Any) -> Iterator[str]:
    """The columns that a condition fixes by equality; only what is joined by AND counts."""
    match condition.WhichOneof("node"):
        case "bool_expr" if condition.bool_expr.boolop == pb.AND_EXPR:
            for one in condition.bool_expr.args:
                yield from _fixed(one)
        case "a_expr":
            comparison = condition.a_expr
            if comparison.kind != pb.AEXPR_OP or [part.string.sval for part in comparison.name] != ["="]:
                return
            for column, value in ((comparison.lexpr, comparison.rexpr), (comparison.rexpr, comparison.lexpr)):
                if column.WhichOneof("node") == "column_ref" and not _mentions_columns(value):
                    yield str(column.column_ref.fields[-1].string.sval)
        case _:
            return


def _mentions_columns(node: Any) -> bool:
    return isinstance(node, pb.Node) and any(isinstance(one, pb.ColumnRef | pb.SelectStmt) for _, one in nodes(node))
