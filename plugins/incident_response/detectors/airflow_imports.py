"""DAG files that cannot be imported, and those that can be again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from incident_response.domain.pipeline_signals import DagFacts, import_error, import_mended
from incident_response.domain.signals import Signal

from .airflow_listing import Listing
from .airflow_memory import Memory

_MOST_FILES = 300


class ImportScan:
    """State-like: reported once when a file breaks, resolved when Airflow reports it no more.

    A file is left out when every DAG that was in it has the opt-out tag. Our own files are not left out: when
    they break, this is the only thing that tells.
    """

    def __init__(self, listing: Listing, source: str, opt_out_tag: str) -> None:
        self._listing, self._source, self._opt_out_tag = listing, source, opt_out_tag

    def look(self, memory: Memory, now: datetime) -> list[Signal]:
        """Files that broke, and those that were mended."""
        broken = self._listing.broken_files(_MOST_FILES)
        fresh = [file for file in broken.rows if file.key not in memory.broken]
        dags = self._listing.dags_of_broken_files() if fresh else {}
        signals = []
        for file in fresh:
            held = dags.get(file.key, {})
            if held and all(self._opt_out_tag in facts.tags for facts in held.values()):
                continue
            # Kept from the first sight (Airflow renews it at each parse): it tells one break from the next.
            at = memory.broken[file.key] = min(file.seen_at, now)
            signals.append(
                import_error(
                    self._source,
                    file.filename,
                    file.bundle,
                    at,
                    _together(held),
                    trace=file.trace,
                    dag_ids=sorted(held),
                )
            )
        if broken.complete:
            still = {file.key for file in broken.rows}
            for bundle, filename in [key for key in memory.broken if key not in still]:
                broken_at = memory.broken.pop((bundle, filename))
                signals.append(import_mended(self._source, filename, bundle, now, broken_at))
        return signals


def _together(held: Mapping[str, DagFacts]) -> DagFacts:
    tags = {tag for facts in held.values() for tag in facts.tags}
    return DagFacts.of(tags, ", ".join(sorted({facts.owner for facts in held.values() if facts.owner})))
