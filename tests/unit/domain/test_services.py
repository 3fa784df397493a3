"""The map of services: who is meant, and what breaks with what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.services import Container, Service, ServiceMap

DATABASE = Service("db", ("postgres", "10.0.0.5", "localhost:5432"))
MAP = ServiceMap(
    [
        DATABASE,
        Service("identity", ("keycloak",), ("db",)),
        Service("api", ("localhost:3001",), ("identity", "db")),
        Service("web", (), ("api",)),
        Service("alone"),
    ],
    edges=[("ingest", "report"), ("db", "ingest")],
)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"service": "db"}, "db"),
        ({"service": "postgres"}, "db"),
        ({"instance": "postgres:9187"}, "db"),
        ({"instance": "10.0.0.5:5432"}, "db"),
        ({"instance": "localhost:5432"}, "db"),
        ({"instance": "localhost:3001"}, "api"),
        ({"instance": "localhost:9999"}, "localhost:9999"),
        ({"container": "keycloak", "instance": "cadvisor:8080"}, "identity"),
        ({"name": "keycloak", "job": "cadvisor"}, "identity"),
        ({"job": "cadvisor", "name": "new-thing"}, "new-thing"),
        ({"service": "", "job": "x"}, "x"),
        ({"severity": "critical"}, None),
        ({}, None),
        ({"instance": ":5432"}, ":5432"),
    ],
)
def test_labels_name_a_service(labels: dict[str, str], name: str | None) -> None:
    """By any of its names, with or without a port; what is not known is called as they call it."""
    assert MAP.name(labels) == name


def test_the_most_telling_known_label_counts() -> None:
    """`service` before `job`."""
    assert MAP.name({"job": "postgres", "service": "web"}) == "web"


@pytest.mark.parametrize(
    ("service", "needs", "feeds"),
    [
        ("db", set(), {"identity", "api", "web", "ingest", "report"}),
        ("api", {"identity", "db"}, {"web"}),
        ("web", {"api", "identity", "db"}, set()),
        ("report", {"ingest", "db"}, set()),
        ("alone", set(), set()),
        ("unknown", set(), set()),
    ],
)
def test_what_it_needs_and_what_needs_it(service: str, needs: set[str], feeds: set[str]) -> None:
    """Directly or not, of the file and of Airflow."""
    for _ in range(2):  # the second answer is a remembered one
        assert MAP.upstreams(service) == needs
        assert MAP.downstreams(service) == feeds


def test_edges_are_added_to_a_copy() -> None:
    """The map of the file stays as it is."""
    more = MAP.with_edges([("web", "alone")])
    assert more.upstreams("alone") == {"web", "api", "identity", "db"}
    assert MAP.upstreams("alone") == set()
    assert more.name({"service": "postgres"}) == "db"


def test_names_from_outside_do_not_fill_the_memory() -> None:
    """Each signal may bring another one."""
    for n in range(1000):
        MAP.upstreams(f"made-up-{n}")
    assert len(MAP._found) < 30


names = st.sampled_from("abcdef")


@given(st.lists(st.tuples(names, names), max_size=15))
def test_circles_end_and_nothing_is_its_own_cause(edges: list[tuple[str, str]]) -> None:
    """Whatever depends on whatever; the two directions agree, and reach is complete."""
    services = ServiceMap(edges=edges)
    for name in "abcdef":
        assert name not in services.upstreams(name)
        for upstream in services.upstreams(name):
            assert name in services.downstreams(upstream)
            assert services.upstreams(upstream) - {name} <= services.upstreams(name)
    for upstream, downstream in edges:
        assert upstream == downstream or upstream in services.upstreams(downstream)


def test_the_order_of_a_restart() -> None:
    """Each after what it needs; a circle has an order, too."""
    assert MAP.in_order("web") == ("db", "identity", "api")
    assert MAP.in_order("report") == ("db", "ingest")
    assert MAP.in_order("unknown") == ()
    circle = ServiceMap([Service("a", (), ("b",)), Service("b", (), ("c",)), Service("c", (), ("a",))])
    assert circle.in_order("a") == ("c", "b")


def test_services_and_containers_by_name() -> None:
    """A service by its alias, too; edges of Airflow change nothing."""
    web = Service("web", ("www",), (), Container("web-1"))
    services = ServiceMap([web]).with_edges([("web", "report")])
    assert services.service("www") == services.service("web") == web
    assert services.service("report") is None
    assert services.container("web-1") == web.container
    assert services.container("web") is None
