"""Identity: which labels tell one thing from another of the same service and cause.

Two hosts, two queues, two rules of Grafana without data are two incidents; two replicas that tell of the same thing, and
the same thing told by another source, are one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from hashlib import sha256

from .services import NAMING, ServiceMap

DEDUP_VERSION = "v1"  # service and cause say it all
PARTS_VERSION = "v2"  # a part of the service, too: a host, a queue, a rule of Grafana
LONGEST = 255  # characters of a key
_HASHED = 32  # hexadecimal digits, of what is too long

# Who looked, how bad it is, which incarnation it is: the thing is the same one with another value of these.
_VOLATILE = frozenset(
    [
        "alertname",
        "severity",
        "priority",
        "urgency",
        "level",
        "alertstate",
        "grafana_state",
        "replica",
        "prometheus",
        "prometheus_replica",
        "rule_replica",
        "receive",
        "monitor",
        "endpoint",
        "integration",
        "id",
        "uid",
        "container_id",
        "image",
        "image_id",
        "pod_ip",
        "pod_uid",
        "host_ip",
        "version",
        "revision",
        "commit",
        "build",
        "value",
        "summary",
        "description",
        "title",
        "runbook",
        "runbook_url",
        "dashboard",
        "report",
        "run_id",
        "try_number",
    ]
)
_HOSTS = ("instance", "exported_instance", "host", "hostname", "node", "nodename", "server")
_PODS = ("pod", "pod_name", "exported_pod", "kubernetes_pod_name")
_CONTAINERS = ("container", "container_name", "name")
# The parts of a service of which each can be in trouble by itself.
_PARTS = (
    *_HOSTS, *_PODS, *_CONTAINERS, "namespace", "cluster", "datacenter", "region", "environment", "env", "tenant",
    "mountpoint", "device", "interface", "volume", "queue", "topic", "partition", "consumergroup", "vhost",
    "table", "schema", "datname", "path", "domain", "rulename", "datasource_uid", "ref_id", "grafana_folder",
)  # fmt: skip

_PORT = re.compile(r"(?<=[^:/]):\d{1,5}$")
_EXPORTER = re.compile(r"cadvisor|pushgateway|blackbox|statsd|(.*[-_.])?exporter([-_.].*)?", re.IGNORECASE)
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"  # the letters with which Kubernetes names what it makes
_MADE = re.compile(rf"(-{_RANDOM}{{6,10}})?-{_RANDOM}{{5}}$|-\d{{1,5}}$")


class Which(str, Enum):
    """Which labels of a signal a rule takes for a part of what it is about."""

    LABELS = "labels"  # all that are not volatile: nobody here knows what the alert is about
    PARTS = "parts"  # those of a part of the service; a service of the map is one thing, with its containers
    NOTHING = "nothing"  # the rule's own texts say it all


def parts_of(
    wanted: Which | Collection[str],
    labels: Mapping[str, str],
    service: str,
    said: Collection[str],
    services: ServiceMap | None,
) -> tuple[tuple[str, str], ...]:
    """The (label, value) pairs beside service and cause, sorted. `said` are labels that these have taken up."""
    if wanted is Which.NOTHING:
        return ()
    known = services is not None and services.service(service) is not None
    return tuple(
        (name, text)
        for name in sorted(_named(wanted, labels, known=known))
        if name not in said and (text := _text(name, labels[name]))
        if text != service and not _is_service(name, labels[name], service, services)
    )


def has_parts(dedup_key: str) -> bool:
    """True for a key that older versions of this package did not make."""
    return dedup_key.startswith(f"{PARTS_VERSION}:")


def key_of(*parts: str) -> str:
    """A key that is never cut: of one that is too long the rest is hashed, so that no two become one."""
    return fitting(":".join(parts))


def fitting(key: str) -> str:
    """The key itself, or its beginning with a hash of the whole."""
    if len(key) <= LONGEST:
        return key
    return f"{key[: LONGEST - _HASHED - 1]}~{sha256(key.encode(errors='replace')).hexdigest()[:_HASHED]}"


def _named(wanted: Which | Collection[str], labels: Mapping[str, str], *, known: bool) -> Iterator[str]:
    if wanted is Which.LABELS:
        return (name for name in labels if name not in _VOLATILE and not name.startswith("__"))
    if isinstance(wanted, Which):
        wanted = _CONTAINERS if known else _PARTS
    return (name for name in wanted if labels.get(name))


def _text(name: str, value: str) -> str:
    """The value without what changes while the thing stays the same."""
    if name in _HOSTS:
        host = _PORT.sub("", value)
        return "" if _EXPORTER.fullmatch(host) else host  # who exports it is not what it is about
    if name in _PODS:
        return _MADE.sub("", value)
    return value


def _is_service(name: str, value: str, service: str, services: ServiceMap | None) -> bool:
    """True for a label that is only another name of the service."""
    if services is None:
        return False
    asked = name if name in NAMING else "instance"
    return services.name({asked: value}) == service
