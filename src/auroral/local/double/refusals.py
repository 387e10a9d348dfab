"""What DSQL refuses, in its own words where they are known. Pure.

Sources, by letter. (q) AWS, "Cluster quotas and database limits". (p) AWS, "Supported PostgreSQL features" and
"unsupported features". (c) AWS, "Concurrency control in Aurora DSQL". (t) awslabs' and AWS's agent skills for DSQL,
troubleshooting tables checked against a cluster. (m) ministack's pgwire proxy, messages measured in eu-central-1,
2026. (x) message of ours: that DSQL refuses is known, its words are not.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """An error as DSQL would answer it."""

    code: str
    """SQLSTATE."""
    message: str
    detail: str = ""
    hint: str = ""
    severity: str = "ERROR"


NOT_SUPPORTED = "0A000"
LIMIT = "54000"
TOO_MANY_COLUMNS = "54011"

# Connections: (q) for the two limits, (t) for the rest.
RATE_EXCEEDED = Refusal("53400", "Unable to accept connection, rate exceeded.", severity="FATAL")
TOO_MANY_CONNECTIONS = Refusal("53300", "Unable to accept connection, too many open connections.", severity="FATAL")
NO_SNI = Refusal("08006", "unable to accept connection, sni was not received", severity="FATAL")
NO_TLS = Refusal("08006", "unable to accept connection, TLS is required", severity="FATAL")  # (x)
UNAVAILABLE = Refusal("57P03", "unable to accept connection, the double was told to refuse", severity="FATAL")  # (x)

# Transactions.
CONFLICT = Refusal("40001", "change conflicts with another transaction, please retry: (OC000)")  # (c)
ROW_LIMIT = Refusal(LIMIT, "transaction row limit exceeded")  # (q)
COLUMN_SIZE = Refusal(LIMIT, "maximum column size exceeded")  # (q)
ROW_SIZE = Refusal(LIMIT, "maximum row size exceeded")  # (q)
KEY_SIZE = Refusal(LIMIT, "key size too large")  # (q)
MANY_DDL = Refusal(NOT_SUPPORTED, "multiple ddl statements not supported in a transaction")  # (t)
DDL_AND_DML = Refusal(NOT_SUPPORTED, "ddl and dml are not supported in the same transaction")  # (t)
ISOLATION = Refusal(NOT_SUPPORTED, "isolation levels other than REPEATABLE READ are not supported")  # (x)
UNPARSED_MANY = Refusal("42601", "cannot insert multiple commands into a prepared statement")

# Locks: the first two (p), the third (m).
LOCK_ONE_TABLE = Refusal(NOT_SUPPORTED, "locking clause such as FOR UPDATE can be applied on a single table")
LOCK_KEY = Refusal(
    NOT_SUPPORTED,
    "locking clause such as FOR UPDATE can be applied only on tables with equality predicates on the key",
)
LOCK_MODE = Refusal(NOT_SUPPORTED, "locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported")

# Indexes: (m), (t); the counts (q).
INDEX_MODE = Refusal(NOT_SUPPORTED, "unsupported mode. please use CREATE INDEX ASYNC.")
INDEX_CONCURRENTLY = Refusal(NOT_SUPPORTED, "CONCURRENTLY not supported for CREATE INDEX")
INDEX_USING = Refusal(NOT_SUPPORTED, "USING not supported for CREATE INDEX")
INDEX_ORDER = Refusal(NOT_SUPPORTED, "specifying sort order not supported for index keys")
INDEX_OPCLASS = Refusal(NOT_SUPPORTED, "opclass not supported for index keys")
KEY_COLUMNS = Refusal(TOO_MANY_COLUMNS, "more than 8 column keys in an index are not supported")
MANY_INDEXES = Refusal(LIMIT, "more than 24 indexes per table are not allowed")
MANY_COLUMNS = Refusal(TOO_MANY_COLUMNS, "tables can have at most 255 columns")

# Tables: (m), (t).
ADD_COLUMN = Refusal(NOT_SUPPORTED, "ALTER TABLE ADD COLUMN with constraint not supported")
ADD_CONSTRAINT = Refusal(NOT_SUPPORTED, "unsupported ALTER TABLE ADD CONSTRAINT statement")
VALIDATE = Refusal(NOT_SUPPORTED, "unsupported ALTER TABLE VALIDATE CONSTRAINT statement")
IDENTITY_TYPE = Refusal(NOT_SUPPORTED, "identity columns are only supported on bigint columns")
IDENTITY_CACHE = Refusal(NOT_SUPPORTED, "GENERATED AS IDENTITY requires an explicit CACHE value")
SEQUENCE_CACHE = Refusal(NOT_SUPPORTED, "CACHE must be 1 or at least 65536")
SEQUENCE_NO_CACHE = Refusal(NOT_SUPPORTED, "CREATE SEQUENCE requires an explicit CACHE value")  # (x)
PARTITIONS = Refusal(NOT_SUPPORTED, "table partitioning is not supported")
TEMPORARY = Refusal(NOT_SUPPORTED, "temporary/unlogged tables is not supported")
INHERITANCE = Refusal(NOT_SUPPORTED, "table inheritance is not supported")  # (x)
EXCLUSION = Refusal(NOT_SUPPORTED, "the EXCLUDE constraint is not supported")


def unsupported(statement: str) -> Refusal:
    """A statement DSQL does not know: `unsupported statement: Truncate` (t)."""
    return Refusal(NOT_SUPPORTED, f"unsupported statement: {statement}")


def key_type(name: str) -> Refusal:
    """A type that cannot be part of a key (t)."""
    return Refusal(NOT_SUPPORTED, f"datatype {name} is not supported in a key")


def column_type(name: str) -> Refusal:
    """A type that no column can have (t)."""
    return Refusal(NOT_SUPPORTED, f"datatype {name} not supported")


def no_type(name: str) -> Refusal:
    """`serial` and its kin are no types there (t)."""
    return Refusal("42704", f'type "{name}" does not exist')


def alter_column(what: str) -> Refusal:
    """An ALTER COLUMN that DSQL does not know (t)."""
    return Refusal(NOT_SUPPORTED, f"unsupported ALTER TABLE ALTER COLUMN ... {what} statement")


def language(name: str) -> Refusal:
    """A function in a language other than SQL (m)."""
    return Refusal(NOT_SUPPORTED, f"LANGUAGE {name} is not supported")


def setting(name: str) -> Refusal:
    """A parameter that cannot be set (m)."""
    return Refusal(NOT_SUPPORTED, f'setting configuration parameter "{name}" not supported')


def too_large(size_bytes: int) -> Refusal:
    """More than 10 MiB changed in one transaction (q)."""
    return Refusal(
        LIMIT,
        "transaction size limit 10mb exceeded",
        detail=f"Current transaction size {size_bytes / 1024 / 1024:.1f}mb > 10mb",
    )


def too_old(age_s: float, limit_s: float) -> Refusal:
    """A transaction older than five minutes (q)."""
    return Refusal(
        LIMIT,
        f"transaction age limit of {limit_s:g}s exceeded",
        detail=f"Current transaction age {age_s:.0f}s exceeds {limit_s:g}s",
    )


def access_denied(hint: str) -> Refusal:
    """A token that does not let in (t): the code is 08006, the reason stands in the hint."""
    return Refusal("08006", "unable to accept connection, access denied", hint=hint, severity="FATAL")
