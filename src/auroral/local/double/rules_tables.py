"""What DSQL refuses of tables, columns, indexes and sequences. Pure: parse trees in, refusals and needs out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from postgast import pg_query_pb2 as pb

from auroral.local.double import refusals
from auroral.local.double.grammar import Parsed
from auroral.local.double.refusals import Refusal
from auroral.local.double.statements import KeyNeed, Name

MOST_KEY_COLUMNS = 8
MOST_COLUMNS = 255
MOST_INDEXES = 24
SMALLEST_LARGE_CACHE = 65536

_SERIALS = frozenset({"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"})
# PostgreSQL's own names for the types that AWS lists as supported ("Supported data types in Aurora DSQL").
_COLUMN_TYPES = frozenset(
    {
        "int2", "int4", "int8", "float4", "float8", "numeric", "bpchar", "char", "varchar", "text", "date", "time",
        "timetz", "timestamp", "timestamptz", "interval", "bool", "bytea", "uuid", "json", "jsonb",
    }
)  # fmt: skip
_SPELLINGS = {
    "smallint": "int2", "integer": "int4", "int": "int4", "bigint": "int8", "real": "float4", "decimal": "numeric",
    "character": "bpchar", "boolean": "bool",
}  # fmt: skip
NOT_IN_KEYS = frozenset({"bytea", "json", "jsonb"})
"""`bytea`: awslabs/dsql-migration-toolkit; `jsonb`: a probe recorded in public. `json` goes with it."""

_KEYS = (pb.CONSTR_PRIMARY, pb.CONSTR_UNIQUE)
_IGNORED_ON_ADD = (pb.CONSTR_NULL,)


def table_name(relation: Any) -> Name:
    """The name of a RangeVar."""
    return Name(relation.schemaname, relation.relname)


def create_table(statement: Any) -> Refusal | None:
    """CREATE TABLE."""
    columns = [one.column_def for one in statement.table_elts if one.WhichOneof("node") == "column_def"]
    constraints = [one.constraint for one in statement.table_elts if one.WhichOneof("node") == "constraint"]
    if statement.relation.relpersistence in ("t", "u"):
        return refusals.TEMPORARY
    if statement.HasField("partspec") or statement.HasField("partbound"):
        return refusals.PARTITIONS
    if statement.inh_relations:
        return refusals.INHERITANCE
    if len(columns) > MOST_COLUMNS:
        return refusals.MANY_COLUMNS
    types = {column.colname: type_of(column.type_name) for column in columns}
    checks = [*(_column(column) for column in columns), *(_table_constraint(one, types) for one in constraints)]
    return next((refused for refused in checks if refused is not None), None)


def _table_constraint(constraint: Any, types: dict[str, str]) -> Refusal | None:
    if constraint.contype == pb.CONSTR_EXCLUSION:
        return refusals.EXCLUSION
    return key_columns([_text(key) for key in constraint.keys], types) if constraint.contype in _KEYS else None


def alter_table(statement: Any, *, asynchronous: bool) -> tuple[Refusal | None, tuple[KeyNeed, ...]]:
    """ALTER TABLE: each of its commands."""
    for command in statement.cmds:
        refused = _alter(command.alter_table_cmd, asynchronous=asynchronous)
        if refused is not None:
            return refused, ()
    return None, ()


def create_index(parsed: Parsed) -> tuple[Refusal | None, tuple[KeyNeed, ...]]:
    """CREATE INDEX. The order of the checks is the one measured by ministack (eu-central-1, October 2026)."""
    statement = parsed.node
    refused = None
    if statement.concurrent:
        refused = refusals.INDEX_CONCURRENTLY
    elif parsed.using:
        refused = refusals.INDEX_USING
    elif len(statement.index_params) > MOST_KEY_COLUMNS:
        refused = refusals.KEY_COLUMNS
    elif not parsed.asynchronous:
        refused = refusals.INDEX_MODE
    elif any(one.index_elem.ordering != pb.SORTBY_DEFAULT for one in statement.index_params):
        refused = refusals.INDEX_ORDER
    elif any(one.index_elem.opclass for one in statement.index_params):
        refused = refusals.INDEX_OPCLASS
    columns = tuple(one.index_elem.name for one in statement.index_params if one.index_elem.name)
    return refused, (KeyNeed(table_name(statement.relation), columns),)


def sequence(options: Iterable[Any], *, required: bool) -> Refusal | None:
    """CREATE and ALTER SEQUENCE: CACHE is 1 or at least 65536, and given where one is made."""
    cache = cache_of(options)
    if cache is None:
        return refusals.SEQUENCE_NO_CACHE if required else None
    return None if _cache_allowed(cache) else refusals.SEQUENCE_CACHE


def key_columns(columns: list[str], types: dict[str, str]) -> Refusal | None:
    """A key's columns: at most eight, none of a type that cannot be in a key."""
    if len(columns) > MOST_KEY_COLUMNS:
        return refusals.KEY_COLUMNS
    for column in columns:
        if types.get(column) in NOT_IN_KEYS:
            return refusals.key_type(types[column])
    return None


def type_of(name: Any) -> str:
    """PostgreSQL's own name of a column's type, `[]` behind an array's."""
    written = [_text(part) for part in name.names]
    base = written[-1] if written else ""
    base = _SPELLINGS.get(base, base)
    return base + "[]" * len(name.array_bounds)


def cache_of(options: Iterable[Any]) -> int | None:
    """The CACHE of a sequence's options."""
    for option in options:
        if option.def_elem.defname == "cache":
            value = option.def_elem.arg
            return int(value.integer.ival) if value.HasField("integer") else int(value.float.fval)
    return None


def _column(column: Any) -> Refusal | None:
    kind = type_of(column.type_name)
    if kind in _SERIALS:
        return refusals.no_type(kind)
    if kind not in _COLUMN_TYPES:
        return refusals.column_type(kind)
    for one in column.constraints:
        if one.constraint.contype == pb.CONSTR_IDENTITY:
            return refusals.IDENTITY_TYPE if kind != "int8" else _identity(one.constraint.options)
    is_key = any(one.constraint.contype in _KEYS for one in column.constraints)
    return key_columns([column.colname], {column.colname: kind}) if is_key else None


def _identity(options: Iterable[Any]) -> Refusal | None:
    cache = cache_of(options)
    if cache is None:
        return refusals.IDENTITY_CACHE
    return None if _cache_allowed(cache) else refusals.SEQUENCE_CACHE


def _cache_allowed(cache: int) -> bool:
    return cache == 1 or cache >= SMALLEST_LARGE_CACHE


_UNKNOWN_ALTERATIONS = {
    pb.AT_AlterColumnType: refusals.alter_column("SET DATA TYPE"),
    pb.AT_SetNotNull: refusals.alter_column("SET NOT NULL"),
    pb.AT_SetStatistics: refusals.alter_column("SET STATISTICS"),
}


def _alter(command: Any, *, asynchronous: bool) -> Refusal | None:
    detail = getattr(command, "def")
    refused = _UNKNOWN_ALTERATIONS.get(command.subtype)
    match command.subtype:
        case pb.AT_AddColumn:
            column = detail.column_def
            constrained = any(one.constraint.contype not in _IGNORED_ON_ADD for one in column.constraints)
            refused = refusals.ADD_COLUMN if constrained else _column(column)
        case pb.AT_AddIdentity:
            refused = _identity(detail.constraint.options)
        case pb.AT_ValidateConstraint if not asynchronous:
            refused = refusals.VALIDATE
        case pb.AT_AddConstraint if not _may_be_added(detail.constraint):
            refused = refusals.ADD_CONSTRAINT
    return refused


def _may_be_added(constraint: Any) -> bool:
    if constraint.contype == pb.CONSTR_UNIQUE:
        return bool(constraint.indexname)
    if constraint.contype in (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN):
        return bool(constraint.skip_validation)
    return False


def _text(node: Any) -> str:
    return str(node.string.sval)
