"""Evidence on a disk or in a bucket, through Airflow's ObjectStoragePath."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from incident_response.domain.logs import logger

from .domain.errors import EvidenceUnavailable
from .domain.redaction import one_line

log = logger(__name__)


class EvidenceFolder:
    """`url` is a folder's path, or a URL such as `s3://aws_default@bucket/incidents`. Opens nothing yet."""

    def __init__(self, url: str) -> None:
        self._url = url

    def keep(self, place: str, content: bytes) -> None:
        """Write one exhibit; again with the same place: replace it. Raises EvidenceUnavailable."""
        with _translated():
            path = self._path(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def read(self, place: str) -> bytes:
        """The content of one. Raises EvidenceUnavailable."""
        with _translated():
            return bytes(self._path(place).read_bytes())

    def drop(self, places: list[str]) -> None:
        """Delete what is too old, and folders that are empty then. What is not there is fine. Raises
        EvidenceUnavailable.
        """
        for place in places:
            with _translated():
                path = self._path(place)
                path.unlink(missing_ok=True)
                if path.protocol == "file":  # a bucket has no folders
                    _drop_empty(Path(path.path).parent, place.count("/"))

    def _path(self, place: str) -> Any:
        # Loaded here: a failing task reports through bootstrap, and has no time for file systems.
        from airflow.sdk import ObjectStoragePath

        parts = place.split("/")
        if not place or any(part in ("", ".", "..") for part in parts):
            raise EvidenceUnavailable(f"{place!r} is no place of evidence")
        url = self._url if "://" in self._url else f"file://{self._url}"
        return ObjectStoragePath(url).joinpath(*parts)


def _drop_empty(folder: Path, depth: int) -> None:
    """So many folders above one another, as long as nothing is in them."""
    for one in (folder, *folder.parents)[:depth]:
        try:
            one.rmdir()
        except FileNotFoundError:  # somebody else was faster
            continue
        except OSError:  # it is not empty, or not ours: evidence itself is gone
            return


class Nowhere:
    """Keeps nothing: for what only plays."""

    def keep(self, place: str, content: bytes) -> None:
        """Forgets it."""

    def read(self, place: str) -> bytes:
        """There is nothing. Raises EvidenceUnavailable."""
        raise EvidenceUnavailable("nothing is kept here")

    def drop(self, places: list[str]) -> None:
        """There is nothing."""


class _translated:
    """File systems raise errors of their own, some of which name credentials."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None or isinstance(error, EvidenceUnavailable) or not isinstance(error, Exception):
            return
        log.debug("evidence", exc_info=error)
        said = one_line(f"{kind.__name__}: {error}", 150)
        raise EvidenceUnavailable(f"{said}; check `evidence_url` in [incident_response]") from None
