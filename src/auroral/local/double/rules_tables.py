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
    if statement.relation.relpersistence in ("t", "u"):
        return refusals.TEMPORARY
    if statement.HasField("partspec") or statement.HasField("partbound"):
        return refusals.PARTITIONS
    if statement.inh_relations:
        return refusals.INHERITANCE
    columns = [one.column_def for one in statement.table_elts if one.WhichOneof("node") == "column_def"]
    constraints = [one.constraint for one in statement.table_elts if one.WhichOneof("node") == "constraint"]
    if len(columns) > MOST_COLUMNS:
        return refusals.MANY_COLUMNS
    types = {column.colname: type_of(column.type_name) for column in columns}
    for column in columns:
        refused = _column(column)
        if refused is not None:
            return refused
        if any(one.constraint.contype in _KEYS for one in column.constraints):
            refused = key_columns([column.colname], types)
            if refused is not None:
                return refused
    for constraint in constraints:
        if constraint.contype == pb.CONSTR_EXCLUSION:
            return refusals.EXCLUSION
        if constraint.contype in _KEYS:
            refused = key_columns([_text(key) for key in constraint.keys], types)
            if refused is not None:
                return refused
    return None


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
            if kind != "int8":
                return refusals.IDENTITY_TYPE
            return _identity(one.constraint.options)
    return None


def _identity(options: Iterable[Any]) -> Refusal | None:
    cache = cache_of(options)
    if cache is None:
        return refusals.IDENTITY_CACHE
    return None if _cache_allowed(cache) else refusals.SEQUENCE_CACHE


def _cache_allowed(cache: int) -> bool:
    return cache == 1 or cache >= SMALLEST_LARGE_CACHE


def _alter(command: Any, *, asynchronous: bool) -> Refusal | None:
    match command.subtype:
        case pb.AT_AddColumn:
            column = getattr(command, "def").column_def
            if any(one.constraint.contype not in _IGNORED_ON_ADD for one in column.constraints):
                return refusals.ADD_COLUMN
            return _column(column)
        case pb.AT_AlterColumnType:
            return refusals.alter_column("SET DATA TYPE")
        case pb.AT_SetNotNull:
            return refusals.alter_column("SET NOT NULL")
        case pb.AT_SetStatistics:
            return refusals.alter_column("SET STATISTICS")
        case pb.AT_AddIdentity:
            return _identity(getattr(command, "def").constraint.options)
        case pb.AT_ValidateConstraint:
            return None if asynchronous else refusals.VALIDATE
        case pb.AT_AddConstraint:
            constraint = getattr(command, "def").constraint
            return None if _may_be_added(constraint) else refusals.ADD_CONSTRAINT
        case _:
            return None


def _may_be_added(constraint: Any) -> bool:
    if constraint.contype == pb.CONSTR_UNIQUE:
        return bool(constraint.indexname)
    if constraint.contype in (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN):
        return bool(constraint.skip_validation)
    return False


def _text(node: Any) -> str:
    return str(node.string.sval)
