"""Tables and indexes by name: only those that PostgreSQL itself knows, and that may be maintained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.domain.errors import Refused
from incident_response.domain.redaction import one_line

_SQL_SIGNS = frozenset("\"'`;\\$()")
_KINDS = {
    "r": "a table", "m": "a materialized view", "p": "a partitioned table", "i": "an index",
    "I": "a partitioned index", "v": "a view", "S": "a sequence", "f": "a foreign table",
    "t": "a TOAST table", "c": "a type",
}  # fmt: skip

# The names are bound, and compared as they are: nothing of them is ever read as SQL.
RELATIONS = """
SELECT json_build_object(
    'at', clock_timestamp()::text,
    'login', current_user,
    'version', current_setting('server_version_num')::int,
    'replica', pg_is_in_recovery(),
    'found', (SELECT coalesce(json_agg(f), '[]') FROM (
        SELECT n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid, c.relkind AS kind,
            coalesce(i.indrelid, c.oid)::bigint AS "table",
            c.relpersistence = 't' AS temporary,
            n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast') AS system,
            pg_has_role(c.relowner, 'USAGE')
                OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
                OR CASE WHEN current_setting('server_version_num')::int >= 170000
                    THEN has_table_privilege(coalesce(i.indrelid, c.oid), 'MAINTAIN') ELSE false END AS ours
        FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted(schema, name)
        JOIN pg_namespace n ON n.nspname = wanted.schema
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
        LEFT JOIN pg_index i ON i.indexrelid = c.oid) f))
"""


def parted(action: str, names: Sequence[str]) -> dict[str, list[str]]:
    """Schemas and names, for RELATIONS. Raises Refused for what is no plain name."""
    schemas, relations = [], []
    for written in names:
        schema, _, name = written.partition(".")
        if not schema or not name or "." in name or _SQL_SIGNS & set(written) or not written.isprintable():
            raise Refused(
                f"{action}: {one_line(written, 80)!r} is no plain name; write `schema.name`, without quotes"
            )
        schemas.append(schema)
        relations.append(name)
    return {"schemas": schemas, "names": relations}


def admitted(
    action: str, names: Sequence[str], kinds: str, answer: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The relations, in the order of `names`. Raises Refused when one is not there or must not be touched."""
    if answer["replica"]:
        raise Refused(f"{action}: this server is a replica; name the connection of the primary")
    known = {f"{row['schema']}.{row['name']}": row for row in answer["found"]}
    found = []
    for name in dict.fromkeys(names):
        row = known.get(name)
        if row is None:
            raise Refused(f"{action}: {name!r} is not there; names are `schema.name`, as pg_class has them")
        if why := _obstacle(row, kinds, answer["login"]):
            raise Refused(f"{action}: {name!r} {why}")
        found.append(row)
    return found


def _obstacle(row: Mapping[str, Any], kinds: str, login: str) -> str:
    if row["system"]:
        return "belongs to the system catalogs, which are left to PostgreSQL"
    if row["kind"] not in kinds:
        wanted = " or ".join(_KINDS[kind] for kind in kinds)
        part = "; name its partitions" if row["kind"] in "pI" else ""
        return f"is {_KINDS.get(row['kind'], 'something else')} and not {wanted}{part}"
    if row["temporary"]:
        return "is a temporary table of some session"
    if not row["ours"]:
        return f"is not ours to maintain: {login} has to be its owner or (from 17 on) GRANT pg_maintain"
    return ""
