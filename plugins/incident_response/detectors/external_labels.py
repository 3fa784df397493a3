"""External labels: what Prometheus adds to its alerts on their way to Alertmanager, and not in its own API.

Without them one alert would have two fingerprints, one for each way it is seen. What `alert_relabel_configs`
change on that way is not followed: with a `labeldrop` there, poll one of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from incident_response.clients.http_json import HttpRefused
from incident_response.domain.errors import SourceUnavailable

_FRESH_FOR = timedelta(minutes=5)


def external_labels(
    kept: Mapping[str, Any], ask: Callable[[], str], now: datetime
) -> tuple[Mapping[str, str], dict[str, Any]]:
    """The labels, and what to keep (JSON) as `kept` for the next time.

    `ask` gives the configuration. Whoever refuses it (a proxy, another product) has no external labels for
    us; when it does not answer, those that were read last are taken.
    """
    at = kept.get("at")
    if at is not None and timedelta() <= now - datetime.fromisoformat(at) < _FRESH_FOR:
        return kept["labels"], dict(kept)
    try:
        labels = parse(ask())
    except HttpRefused as refusal:
        if refusal.status >= 500 or refusal.status == 429:
            return kept.get("labels", {}), dict(kept)
        labels = {}
    except SourceUnavailable:
        return kept.get("labels", {}), dict(kept)
    return labels, {"labels": labels, "at": now.isoformat()}


def parse(configuration: str) -> dict[str, str]:
    """`global.external_labels` of a configuration as Prometheus writes it; {} when there are none."""
    import yaml

    # Only this section is read: a configuration may have megabytes of scrape targets.
    lines = configuration.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("global:")), len(lines))
    end = next((i for i in range(start + 1, len(lines)) if lines[i][:1] not in (" ", "")), len(lines))
    try:
        # As text: a label `1` or `on` is no number and no truth for Prometheus.
        section = yaml.load("\n".join(lines[start:end]), Loader=yaml.BaseLoader)  # noqa: S506 - text only
    except (yaml.YAMLError, RecursionError):
        return {}
    found = section.get("global") if isinstance(section, dict) else None
    labels = found.get("external_labels") if isinstance(found, dict) else None
    return {str(k): v for k, v in labels.items() if isinstance(v, str)} if isinstance(labels, dict) else {}
