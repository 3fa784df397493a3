"""Read a YAML file into a validated model; every error names file, line, field and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from incident_response.domain.errors import BadInput, PolicyError

_Path = tuple[str | int, ...]
# libyaml where it is there: every task of a runbook reads the files, and Python takes ten times as long.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Model(BaseModel):
    """Base of all file models: unknown fields are errors, because a typo must not be silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # most processes use few


AnyModel = TypeVar("AnyModel", bound=Model)
TAG = "kind"  # the field by which models of several kinds are told apart


class Misplaced(ValueError):
    """For a validator that looks at a whole list, and knows which part of it is wrong: `at`, below its own
    place.
    """

    def __init__(self, message: str, *at: str | int) -> None:
        super().__init__(message)
        self.at: _Path = at


def read(path: Path, model: type[AnyModel]) -> AnyModel:
    """The validated content of `path`. Raises PolicyError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"cannot be read: {error}", file=str(path), line=1) from error
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"is no valid YAML: {error.problem}", file=str(path), line=line) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"is no valid YAML: {error}", file=str(path), line=1) from error
    lines = _lines(node)
    if not isinstance(content, dict):
        raise PolicyError("must be a mapping of fields to values", file=str(path), line=1)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        below = cause.at if isinstance(cause, Misplaced) else ()
        where = _where((*(part for part in first["loc"] if part != "[key]"), *below), content)
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise PolicyError(
            _message(first) + more, file=str(path), line=_line(lines, where), field=".".join(map(str, where))
        ) from None


def _where(found: _Path, content: Any) -> _Path:
    """The path as it is in the file: pydantic also names the kind of a model and the types it has tried."""
    where: list[str | int] = []
    here = content
    for part in found:
        if isinstance(here, dict):
            if part not in here and here.get(TAG) == part:
                continue
            where.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            where.append(part)
            here = here[part] if part < len(here) else None
        else:
            break
    return tuple(where)


def located(path: Path, field: str, problem: BadInput) -> PolicyError:
    """A domain error, with the file and line of the top-level `field` it came from."""
    try:
        lines = _lines(yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader))
    except (OSError, yaml.YAMLError):
        lines = {}
    where = tuple(int(part) if part.isdigit() else part for part in field.split("."))
    return PolicyError(str(problem), file=str(path), line=_line(lines, where), field=field)


def _message(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a known field; remove it or correct its name"
    if error["type"] == "missing":
        return "is missing; add it"
    text = str(error["msg"]).removeprefix("Value error, ")
    if isinstance(error.get("ctx", {}).get("error"), Misplaced):
        return text  # what was found is the whole list
    return f"{text} (found {str(error.get('input'))[:80]!r})"


def _lines(node: yaml.Node | None, at: _Path = ()) -> dict[_Path, int]:
    """Line of every field, by its path."""
    if node is None:
        return {}
    lines = {at: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*at, key.value)
            lines |= _lines(value, inner)
            lines[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines |= _lines(value, (*at, index))
    return lines


def _line(lines: dict[_Path, int], where: _Path) -> int:
    """The line of a field, or of the nearest thing around it that is in the file."""
    for end in range(len(where), -1, -1):
        for candidate in (
            where[:end],
            tuple(str(part) if not isinstance(part, int) else part for part in where[:end]),
        ):
            if candidate in lines:
                return lines[candidate]
    return 1
