"""Answers Airflow's own database queries from memory, so that its scheduling rules run without a database."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from airflow.models.taskinstance import TaskInstance
from airflow.models.taskmap import TaskMap
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, BooleanClauseList, False_, Grouping, Null, True_, Tuple

_COMPARED: dict[Any, Callable[[Any, Any], bool]] = {
    operators.eq: operator.eq,
    operators.lt: operator.lt,
    operators.ge: operator.ge,
    operators.is_: lambda left, right: left is right,
    operators.in_op: lambda left, right: left in right,
    operators.not_in_op: lambda left, right: left not in right,
}


class Rows(Protocol):
    """What is in the tables: rows whose attributes are named as the columns."""

    @property
    def task_instances(self) -> Sequence[Any]: ...

    @property
    def task_maps(self) -> Sequence[Any]: ...

    @property
    def audit(self) -> list[Any]: ...


class Database:
    """Stands in for a SQLAlchemy session. A query that it does not know raises."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def scalars(self, statement: Any) -> Answer:
        """`select(TaskInstance)`."""
        (described,) = statement.column_descriptions
        if described["expr"] is not TaskInstance:
            raise NotImplementedError(str(statement))
        return Answer(_chosen(self._rows.task_instances, statement))

    def execute(self, statement: Any) -> Answer:
        """Task ids with the number of their instances."""
        chosen = _chosen(self._rows.task_instances, statement)
        return Answer(Counter(row.task_id for row in chosen).items())

    def scalar(self, statement: Any) -> Any:
        """How long a list is that a task has returned; or how many task instances there are."""
        (described,) = statement.column_descriptions
        if described["expr"] is TaskMap.length or described.get("entity") is TaskMap:
            return next((row.length for row in _chosen(self._rows.task_maps, statement)), None)
        if "count(" not in str(described["expr"]):
            raise NotImplementedError(str(statement))
        return len(_chosen(self._rows.task_instances, statement))

    def add(self, row: Any) -> None:
        """A line of the audit log."""
        self._rows.audit.append(row)


class Answer(list[Any]):
    """Of a query."""

    def __init__(self, rows: Iterable[Any]) -> None:
        super().__init__(rows)

    def all(self) -> Answer:
        return self


def _chosen(rows: Iterable[Any], statement: Any) -> list[Any]:
    where = statement.whereclause
    return [row for row in rows if where is None or _value(where, row)]


def _value(clause: Any, row: Any) -> Any:
    if isinstance(clause, BooleanClauseList):
        both = all if clause.operator is operators.and_ else any
        return both(_value(part, row) for part in clause.clauses)
    if isinstance(clause, Grouping):
        return _value(clause.element, row)
    if isinstance(clause, Tuple):
        return tuple(_value(part, row) for part in clause.clauses)
    if isinstance(clause, BindParameter):
        return _bound(clause)
    if isinstance(clause, (False_, True_, Null)):
        return {False_: False, True_: True, Null: None}[type(clause)]
    if hasattr(clause, "operator"):
        return _COMPARED[clause.operator](_value(clause.left, row), _value(clause.right, row))
    return getattr(row, clause.key)


def _bound(clause: Any) -> Any:
    value = clause.effective_value
    if not isinstance(value, (list, tuple)):
        return value
    return [tuple(one) if isinstance(one, (list, tuple)) else one for one in value]
