"""SQL text → judged statements, cached by text. Pure.

Every rule is decided on PostgreSQL's own parse tree. Sources of the rules stand in `refusals`.
"""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

from auroral.local.double import refusals, rules_locks, rules_tables
from auroral.local.double.grammar import IamChange, Parsed, SyntaxRefusedError, nodes, read
from auroral.local.double.refusals import Refusal
from auroral.local.double.statements import Kind, LockNeed, RowShape, Statement

_MOST_CACHED = 20_000
_READS = ("select_stmt", "explain_stmt", "declare_cursor_stmt", "fetch_stmt", "close_portal_stmt")
_WRITES = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "execute_stmt")
_WRITE_TREES = (pb.InsertStmt, pb.UpdateStmt, pb.DeleteStmt, pb.MergeStmt)
_OTHERS = ("variable_set_stmt", "variable_show_stmt", "deallocate_stmt", "discard_stmt", "prepare_stmt", "call_stmt",
           "constraints_set_stmt", "check_point_stmt")  # fmt: skip
# Refused whatever they say. The word DSQL answers with is the tree's name; seen so of Truncate and Createdb.
_UNSUPPORTED = {
    "truncate_stmt": "Truncate", "createdb_stmt": "Createdb", "dropdb_stmt": "Dropdb", "do_stmt": "Do",
    "copy_stmt": "Copy", "listen_stmt": "Listen", "notify_stmt": "Notify", "unlisten_stmt": "Unlisten",
    "lock_stmt": "Lock", "create_extension_stmt": "CreateExtension", "create_trig_stmt": "CreateTrig",
    "create_event_trig_stmt": "CreateEventTrig", "rule_stmt": "Rule", "create_plang_stmt": "CreatePLang",
    "create_enum_stmt": "CreateEnum", "create_range_stmt": "CreateRange", "composite_type_stmt": "CompositeType",
    "create_domain_stmt": "CreateDomain", "create_cast_stmt": "CreateCast", "define_stmt": "Define",
    "create_conversion_stmt": "CreateConversion", "create_op_class_stmt": "CreateOpClass",
    "create_publication_stmt": "CreatePublication", "create_subscription_stmt": "CreateSubscription",
    "create_fdw_stmt": "CreateFdw", "create_foreign_server_stmt": "CreateForeignServer",
    "create_foreign_table_stmt": "CreateForeignTable", "create_policy_stmt": "CreatePolicy",
    "create_table_space_stmt": "CreateTableSpace", "cluster_stmt": "Cluster", "reindex_stmt": "Reindex",
    "alter_system_stmt": "AlterSystem", "refresh_mat_view_stmt": "RefreshMatView", "load_stmt": "Load",
    "check_point_stmt": "CheckPoint",
}  # fmt: skip
_UNSUPPORTED_TRANSACTIONS = {
    pb.TRANS_STMT_SAVEPOINT: "Savepoint",
    pb.TRANS_STMT_RELEASE: "Release",
    pb.TRANS_STMT_ROLLBACK_TO: "RollbackTo",
    pb.TRANS_STMT_PREPARE: "PrepareTransaction",
    pb.TRANS_STMT_COMMIT_PREPARED: "CommitPrepared",
    pb.TRANS_STMT_ROLLBACK_PREPARED: "RollbackPrepared",
}
_TRANSACTIONS = {
    pb.TRANS_STMT_BEGIN: Kind.BEGIN,
    pb.TRANS_STMT_START: Kind.BEGIN,
    pb.TRANS_STMT_COMMIT: Kind.COMMIT,
    pb.TRANS_STMT_ROLLBACK: Kind.ROLLBACK,
}
# Measured by ministack (eu-central-1, October 2026); the last one is DSQL's fixed isolation.
_UNSETTABLE = ("default_statistics_target", "statement_timeout", "work_mem")
_ISOLATION_SETTINGS = ("transaction_isolation", "default_transaction_isolation")
_ASYNC_JOB = "SELECT sys.create_index_async({sql}) AS job_id"
_ASYNC_VALIDATION = "SELECT sys.validate_constraint_async({sql}) AS job_id"


class Dialect:
    """Judges SQL texts, each once."""

    def __init__(self, *, documented_locks: bool = True) -> None:
        self._documented_locks = documented_locks
        self._known: dict[bytes, tuple[Statement, ...]] = {}

    def statements(self, sql: bytes) -> tuple[Statement, ...]:
        """The statements of a text, none for an empty one."""
        known = self._known.get(sql)
        if known is None:
            if len(self._known) >= _MOST_CACHED:
                self._known.clear()
            known = self._known[sql] = self._judge_text(sql)
        return known

    def _judge_text(self, sql: bytes) -> tuple[Statement, ...]:
        try:
            parsed = read(sql)
        except SyntaxRefusedError as error:
            return (Statement(sql, Kind.OTHER, Refusal("42601", str(error))),)
        judged = tuple(self._judge(one) for one in parsed)
        if len(judged) == 1 and not judged[0].rewritten:
            judged[0].sql = sql  # with its comments, as it came
        return judged

    def _judge(self, parsed: Parsed) -> Statement:
        if parsed.iam is not None:
            return _iam(parsed.iam)
        statement = Statement(parsed.text, _kind(parsed.kind, parsed.node))
        if parsed.kind in _UNSUPPORTED:
            statement.refusal = refusals.unsupported(_UNSUPPORTED[parsed.kind])
            return statement
        statement.refusal = _refusal(parsed)
        if statement.refusal is None:
            self._judge_locks(parsed.node, statement)
        if statement.refusal is None:
            _judge_tables(parsed, statement)
        if parsed.kind == "insert_stmt":
            statement.shape = _shape(parsed.node)
        elif parsed.kind == "deallocate_stmt":
            statement.forgets = not parsed.node.name
        elif parsed.kind == "discard_stmt":
            statement.forgets = True
        return statement

    def _judge_locks(self, node: Any, statement: Statement) -> None:
        needs: list[LockNeed] = []
        found = rules_locks.clauses(node)
        statement.lock_kinds = tuple(kind for _, kind in found)
        for select, _ in found:
            refused, need = rules_locks.judge(select, documented=self._documented_locks)
            if refused is not None:
                statement.refusal = refused
                return
            if need is not None:
                needs.append(need)
        statement.locks = tuple(needs)


def _kind(name: str, node: Any) -> Kind:
    if name == "transaction_stmt":
        return _TRANSACTIONS.get(node.kind, Kind.OTHER)
    if name == "explain_stmt":
        analyzed = any(one.def_elem.defname == "analyze" for one in node.options)
        return Kind.WRITE if analyzed and _writes(node) else Kind.READ
    if name in _WRITES:
        return Kind.WRITE
    if name in _READS:
        return Kind.WRITE if _writes(node) else Kind.READ
    return Kind.OTHER if name in _OTHERS or _is_analyze(name, node) else Kind.DDL


def _is_analyze(name: str, node: Any) -> bool:
    return name == "vacuum_stmt" and not node.is_vacuumcmd


def _writes(node: Any) -> bool:
    """Whether a query changes rows somewhere inside."""
    return any(isinstance(one, _WRITE_TREES) for _, one in nodes(node))


def _refusal(parsed: Parsed) -> Refusal | None:
    node = parsed.node
    refused: Refusal | None = None
    match parsed.kind:
        case "transaction_stmt":
            refused = _transaction(node)
        case "variable_set_stmt":
            refused = _setting(node)
        case "vacuum_stmt" if node.is_vacuumcmd:
            refused = refusals.unsupported("Vacuum")
        case "create_function_stmt":
            refused = _function(node)
        case "create_table_as_stmt" if node.objtype == pb.OBJECT_MATVIEW:
            refused = refusals.unsupported("CreateMatView")
        case "create_table_as_stmt":
            refused = _temporary(node.into.rel)
        case "select_stmt" if node.HasField("into_clause"):
            refused = _temporary(node.into_clause.rel)
        case "view_stmt":
            refused = _temporary(node.view)
        case "create_seq_stmt":
            refused = _temporary(node.sequence)
    return refused


def _temporary(relation: Any) -> Refusal | None:
    return refusals.TEMPORARY if relation.relpersistence in ("t", "u") else None


def _judge_tables(parsed: Parsed, statement: Statement) -> None:
    node = parsed.node
    match parsed.kind:
        case "create_stmt":
            statement.refusal = rules_tables.create_table(node)
        case "create_seq_stmt":
            statement.refusal = rules_tables.sequence(node.options, required=True)
        case "alter_seq_stmt":
            statement.refusal = rules_tables.sequence(node.options, required=False)
        case "alter_table_stmt":
            statement.refusal, statement.keys = rules_tables.alter_table(node, asynchronous=parsed.asynchronous)
            if statement.refusal is None and parsed.asynchronous:
                _rewrite(statement, _ASYNC_VALIDATION, b"ALTER TABLE")
        case "index_stmt":
            statement.refusal, statement.keys = rules_tables.create_index(parsed)
            if statement.refusal is None:
                _rewrite(statement, _ASYNC_JOB, b"CREATE INDEX")
        case _:
            return


def _rewrite(statement: Statement, template: str, tag: bytes) -> None:
    """Have a function of the `sys` schema do it: so both protocols describe and answer the job's id."""
    statement.sql = template.format(sql=_quote(statement.sql.decode(errors="replace"))).encode()
    statement.tag = tag
    statement.rewritten = True


def _iam(change: IamChange) -> Statement:
    name, tag = ("sys.iam_grant", b"GRANT") if change.grant else ("sys.iam_revoke", b"REVOKE")
    sql = f"CALL {name}({_quote(change.role)}, {_quote(change.arn)})"
    return Statement(sql.encode(), Kind.DDL, tag=tag, rewritten=True)


def _quote(text: str) -> str:
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"


def _transaction(node: Any) -> Refusal | None:
    if node.kind in _UNSUPPORTED_TRANSACTIONS:
        return refusals.unsupported(_UNSUPPORTED_TRANSACTIONS[node.kind])
    for option in node.options:
        if option.def_elem.defname == "transaction_isolation" and not _is_repeatable_read(option.def_elem.arg):
            return refusals.ISOLATION
    return None


def _setting(node: Any) -> Refusal | None:
    name = node.name.lower()
    if name in ("transaction", "session characteristics", "transaction snapshot"):
        return refusals.unsupported(f"SET {name.upper()}")
    if node.kind not in (pb.VAR_SET_VALUE, pb.VAR_SET_CURRENT):
        return None
    if name in _UNSETTABLE:
        return refusals.setting(name)
    if name in _ISOLATION_SETTINGS and not (node.args and _is_repeatable_read(node.args[0])):
        return refusals.ISOLATION
    return None


def _is_repeatable_read(value: Any) -> bool:
    return bool(value.a_const.sval.sval.lower() == "repeatable read")


def _function(node: Any) -> Refusal | None:
    if node.is_procedure:
        return Refusal(refusals.NOT_SUPPORTED, "PROCEDURE is not supported")
    for option in node.options:
        if option.def_elem.defname == "language":
            name = str(option.def_elem.arg.string.sval).lower()
            return None if name == "sql" else refusals.language(name)
    return None


def _shape(node: Any) -> RowShape | None:
    """Which parameter goes where; nothing for an INSERT … SELECT."""
    lists = node.select_stmt.select_stmt.values_lists
    if not lists:
        return None
    columns = tuple(one.res_target.name for one in node.cols)
    rows = []
    for one in lists:
        row = []
        for at, item in enumerate(one.list.items):
            value = item.type_cast.arg if item.WhichOneof("node") == "type_cast" else item
            if value.WhichOneof("node") == "param_ref":
                row.append((at, value.param_ref.number - 1))
        rows.append(tuple(row))
    return RowShape(rules_tables.table_name(node.relation), columns, tuple(rows))
