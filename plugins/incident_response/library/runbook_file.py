"""include/runbooks/*.yaml: one executable runbook a file; the text for people is in the same file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from incident_response.domain.actions import Kind
from incident_response.domain.runbooks import PAUSE, Mode, Phase, Runbook, Setting, Step, resolved
from incident_response.domain.severities import Scenario, Severity
from incident_response.lengths import Length
from incident_response.parameters.registry import MODELS

from .yaml_file import Misplaced, Model

_NAME = re.compile(r"[a-z][a-z0-9-]{1,60}")
_RESERVED = re.compile(r"plan|guard|approve|conclude|verify_.*")
_PROOF = timedelta(minutes=5)  # a check is asked for so long
_FITS = {
    Phase.DIAGNOSE: (Kind.LOOKS, Kind.CHECKS),
    Phase.CONTAIN: (Kind.CHANGES,),
    Phase.REPAIR: (Kind.CHANGES,),
    Phase.VERIFY: (Kind.CHECKS,),
}
_TYPES: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("boolean", bool),  # first: True is an integer, too
    ("integer", int),
    ("number", float),
    ("string", str),
    ("array", list),
)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Level = Literal[1, 2, 3, 4]
Cause = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Causes = Annotated[tuple[Cause, ...], BeforeValidator(_several)]
ServiceName = Annotated[str, Field(min_length=1, max_length=200)]
Services = Annotated[tuple[ServiceName, ...], BeforeValidator(_several)]
StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class StepEntry(Model):
    """One step: an action with its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: StepName = Field(description="Unique in the file; names its task in the DAG.")
    action: str = Field(description="One of those in docs/actions.")
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        alias="with",
        description="What the action is given; `$lines` stands for the runbook's parameter `lines`.",
    )
    when: Causes = Field((), description="Only when one of these causes was found.")
    unless: Causes = Field((), description="Not when one of these causes was found.")
    services: Services = Field(
        (), description="Only in incidents about one of these services, tables or DAGs."
    )
    within: Length | None = Field(
        None, description="Its time (1 min); for a check: how long it may take until it is proven (5 min)."
    )
    on_error: Literal["stop", "continue"] = Field("stop", description="Does its error end the remediation?")

    @field_validator("action")
    @classmethod
    def _known(cls, action: str) -> str:
        if action not in MODELS:
            raise ValueError(f"{action!r} is no action; there are {', '.join(sorted(MODELS))}")
        return action


class RestoreEntry(Model):
    """Takes back what another step has changed, after the repair has proved that it worked."""

    name: StepName = Field(description="Unique in the file; names its task in the DAG.")
    undo: str = Field(description="The name of that step, of `contain` or `repair`.")
    within: Length | None = Field(None, description="Its time (1 min).")


class ParameterEntry(Model):
    """A field of the form; a plain value in its place is its default."""

    default: Any = None
    type: Literal["string", "integer", "number", "boolean", "array"] | None = Field(
        None, description="Empty: that of the default."
    )
    text: str = Field("", max_length=300, description="For people.")
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = Field((), description="Nothing else is accepted.")

    def schema_of(self) -> dict[str, Any]:
        """JSON Schema."""
        kind: str | None = self.type
        kind = kind or next((name for name, type_ in _TYPES if isinstance(self.default, type_)), None)
        found = {
            "type": ["null", kind] if kind and self.default is None else kind,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "enum": list(self.choices) or None,
        }
        return {name: value for name, value in found.items() if value is not None}


def _parameter(value: Any) -> Any:
    return value if isinstance(value, dict) else {"default": value}


class GuardsEntry(Model):
    """What keeps it from running away (design: remediation)."""

    most_severe: Severity = Field(Severity.P1, description="It acts by itself up to this severity.")
    attempts: int = Field(2, ge=1, le=20, description="Per target and window.")
    window: Length = Field(timedelta(hours=6), description="In which attempts are counted.")
    cooldown: Length = Field(timedelta(minutes=5), description="Between two on one target.")
    max_targets: int = Field(5, ge=1, le=1000, description="Things changed by one remediation.")
    time_limit: Length = Field(timedelta(hours=2), description="After it a person is paged.")
    approve_within: Length = Field(
        timedelta(minutes=15), description="No answer until then escalates, and never acts."
    )


class MatchEntry(Model):
    """What it is for."""

    scenarios: tuple[Scenario, ...] = Field((), description="The page offers it for these.")


class RunbookFile(Model):
    """The whole file. Without any step it is a written runbook, for people only."""

    name: str
    version: int = Field(ge=1, description="Counted up with each change.")
    title: str = Field(min_length=1, max_length=120)
    text: str = Field(min_length=1, description="Markdown: symptoms, cautions, manual fall-back.")
    matches: MatchEntry = Field(default_factory=MatchEntry)
    parameters: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")],
        Annotated[ParameterEntry, BeforeValidator(_parameter)],
    ] = Field(default_factory=dict, description="Fields of its form, with defaults.")
    mode: Mode | dict[Literal["P1", "P2", "P3", "P4", "default"], Mode] = Field(
        Mode.AUTO, description="One for all, or one for each severity and a `default`."
    )
    guards: GuardsEntry = Field(default_factory=GuardsEntry)
    hold_down: Length | None = Field(None, description="Quiet before it counts as resolved.")
    escalate_to: Level | dict[str, Level] = Field(
        2, description="The level that is paged when it fails; by cause, with a `default`."
    )
    diagnose: tuple[StepEntry, ...] = Field((), description="Look, before anything is changed.")
    contain: tuple[StepEntry, ...] = Field(
        (), description="Stop it from spreading. Without a `repair` after it people go on from there."
    )
    repair: tuple[StepEntry, ...] = Field((), description="A ladder of attempts, the gentlest first.")
    verify: tuple[StepEntry, ...] = Field((), description="Asked after each attempt; all must be proven.")
    restore: tuple[RestoreEntry, ...] = Field((), description="Take back what contained it.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("lower-case letters, digits and hyphens only")
        return name

    @model_validator(mode="after")
    def _sane(self) -> RunbookFile:
        seen: set[str] = set()
        for phase, index, entry in self._entries():
            if entry.name in seen:
                raise Misplaced(f"two steps are named {entry.name!r}", phase.value, index, "name")
            if _RESERVED.fullmatch(entry.name):
                raise Misplaced(
                    "is the name of a task of every runbook; choose another", phase.value, index, "name"
                )
            seen.add(entry.name)
            if isinstance(entry, StepEntry):
                self._check_step(phase, index, entry)
        changing = {step.name for step in (*self.contain, *self.repair)}
        for index, restore in enumerate(self.restore):
            if restore.undo not in changing:
                raise Misplaced(
                    f"{restore.undo!r} is no step of `contain` or `repair`", "restore", index, "undo"
                )
        if self.contain and not self.repair and (self.verify or self.restore):
            raise Misplaced("it only contains; remove `verify` and `restore`, or add a `repair`", "contain")
        if self.repair and not self.verify:
            raise Misplaced("nothing proves that it works; add a check under `verify`", "repair")
        if self.repair and all(step.action == PAUSE for step in self.verify):
            raise Misplaced(f"{PAUSE} looks at nothing; add a check that proves the repair", "verify")
        return self

    def _entries(self) -> Iterator[tuple[Phase, int, StepEntry | RestoreEntry]]:
        for phase in Phase:
            for index, entry in enumerate(getattr(self, phase.value)):
                yield phase, index, entry

    def _check_step(self, phase: Phase, index: int, entry: StepEntry) -> None:
        model, at = MODELS[entry.action], (phase.value, index)
        if model.kind not in _FITS[phase]:
            kinds = " or ".join(kind.value for kind in _FITS[phase])
            raise Misplaced(
                f"{entry.action} {model.kind.value}; a step of `{phase.value}` {kinds}", *at, "action"
            )
        try:
            defaults = {name: parameter.default for name, parameter in self.parameters.items()}
            model.model_validate(resolved(entry.parameters, defaults))
        except KeyError as error:
            missing = f"${error.args[0]} is no parameter of this runbook; add it under `parameters`"
            raise Misplaced(missing, *at, "with") from None
        except ValidationError as error:
            raise Misplaced(_said(error, entry.action), *at, "with", *error.errors()[0]["loc"][:1]) from None


def _said(error: ValidationError, action: str) -> str:
    first = error.errors()[0]
    known = {"extra_forbidden": "is no parameter of this action", "missing": "is missing; add it"}
    said = known.get(first["type"], str(first["msg"]).removeprefix("Value error, "))
    names = ", ".join(MODELS[action].model_fields) or "none"
    return f"{'.'.join(map(str, first['loc']))}: {said}; {action} takes {names}"


def runbook(content: RunbookFile) -> Runbook:
    """The domain's runbook."""
    guards, mode, level = content.guards, content.mode, content.escalate_to
    modes: dict[str, Mode] = dict(mode.items()) if isinstance(mode, dict) else {"default": mode}
    levels: Mapping[str, int] = level if isinstance(level, dict) else {"default": level}
    return Runbook(
        name=content.name,
        version=content.version,
        title=content.title,
        text=content.text,
        steps=tuple(_steps(content)),
        mode=modes.get("default", Mode.AUTO),
        modes={Severity(name): mode for name, mode in modes.items() if name != "default"},
        scenarios=content.matches.scenarios,
        settings=tuple(
            Setting(name, entry.default, entry.text, entry.schema_of())
            for name, entry in content.parameters.items()
        ),
        most_severe=guards.most_severe,
        attempts=guards.attempts,
        window=guards.window,
        cooldown=guards.cooldown,
        time_limit=guards.time_limit,
        approve_within=guards.approve_within,
        max_targets=guards.max_targets,
        hold_down=content.hold_down,
        escalate_to=levels.get("default", 2),
        escalate_by_cause={cause: level for cause, level in levels.items() if cause != "default"},
    )


def _steps(content: RunbookFile) -> Iterator[Step]:
    for phase, _, entry in content._entries():
        if isinstance(entry, RestoreEntry):
            step = Step(entry.name, phase, changes=True, undoes=entry.undo)
        else:
            kind, may_ask = MODELS[entry.action].kind, MODELS[entry.action].may_ask
            step = Step(
                entry.name,
                phase,
                entry.action,
                entry.parameters,
                changes=kind is Kind.CHANGES,
                checks=kind is Kind.CHECKS,
                when=entry.when,
                unless=entry.unless,
                services=entry.services,
                within=_PROOF if kind is Kind.CHECKS else Step.within,
                goes_on=entry.on_error == "continue",
                may_ask=may_ask,
            )
        yield step if entry.within is None else replace(step, within=entry.within)
