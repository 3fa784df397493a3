"""Everything that can go wrong, named; a class's docstring is its default message."""

from __future__ import annotations

import inspect


class IncidentResponseError(Exception):
    """Incident response failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or "").split("\n\n")[0])


class IllegalTransition(IncidentResponseError):
    """The incident's status does not allow this command."""


class IncidentNotFound(IncidentResponseError):
    """There is no incident with this number."""


class RunbookNotFound(IncidentResponseError):
    """There is no valid runbook of this name in include/runbooks."""


class NaiveTime(IncidentResponseError):
    """A time without a zone was given; times must be aware."""


class BadInput(IncidentResponseError):
    """A file, a form or a request holds something that cannot be used."""


class PolicyError(BadInput):
    """A file in include/ is not valid."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, field: str = "") -> None:
        self.file, self.line, self.field, self.problem = file, line, field, message
        where = f"{file}:{line}: " if file else ""
        super().__init__(f"{where}{field + ': ' if field else ''}{message}")


class SettingsError(BadInput):
    """A setting in [incident_response] is not valid."""


class StoreUnavailable(IncidentResponseError):
    """The store is away: nothing was changed; signals are being spooled to files and taken in when it is
    back.
    """


class SchemaOutdated(IncidentResponseError):
    """The store's schema is older than this package; run `python -m incident_response migrate`."""


class AirflowUnavailable(IncidentResponseError):
    """Airflow's REST API did not answer; the request is kept and tried again."""


class AirflowRefused(IncidentResponseError):
    """Airflow's REST API refused the request.

    `status` is the HTTP status; 404 means that the DAG, run or task does not exist (any more).
    """

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)


class SourceUnavailable(IncidentResponseError):
    """An outside system did not answer when it was looked at; it is looked at again at its next turn."""


class NotConfigured(IncidentResponseError):
    """A source names an Airflow connection that is not defined; it is looked at as soon as it is."""


class EvidenceUnavailable(IncidentResponseError):
    """The folder of the evidence cannot be written or read; check `evidence_url` in [incident_response]."""


class DeliveryFailed(IncidentResponseError):
    """A channel could not deliver a message; it will be tried again."""


class OutcomeUnknown(IncidentResponseError):
    """A change was asked for, and the answer did not come: whether it was made has to be looked at."""


class Refused(IncidentResponseError):
    """This must not be done; nothing was changed."""


class StoppedByPerson(Refused):
    """Stopped by a person: automation does not undo that."""


class AuditUnreadable(IncidentResponseError):
    """Airflow's audit log cannot be read: nobody knows what people have stopped."""


class Unknown(IncidentResponseError):
    """It was interrupted, and nobody can tell what it did; a person has to look."""
