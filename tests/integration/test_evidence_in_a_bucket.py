"""Evidence in a bucket: by its URL, through Airflow's ObjectStoragePath, over HTTP.

Runs in an environment of its own, made by `scripts/bucket-env`: with Airflow's provider for S3, and a server
that speaks its protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from incident_response.domain.actions import Exhibit
from incident_response.domain.errors import EvidenceUnavailable
from incident_response.domain.evidence import MOST_OF_INCIDENT
from incident_response.domain.incidents import Incident
from incident_response.evidence_folder import EvidenceFolder
from incident_response.service.evidence import Evidence
from tests.support.house import House, failed
from tests.support.processes import free_port

pytestmark = [pytest.mark.integration, pytest.mark.bucket]

SECRET = "hunter2"
PLACE = "INC-1/1/look/01-a.log"


@dataclass
class Bucket:
    """A bucket that is there, and an Airflow connection to it."""

    server: Any
    client: Any
    url: str

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket="evidence").get("Contents", [])
        return [one["Key"] for one in found]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    import boto3
    from moto.server import ThreadedMotoServer

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()  # all servers of a process share their memory
    extra = (
        f'{{"endpoint_url": "{endpoint}", "region_name": "eu-north-1", "config_kwargs": '
        '{"connect_timeout": 1, "retries": {"total_max_attempts": 1}}}'
    )
    monkeypatch.setenv(
        f"AIRFLOW_CONN_STORE_{port}",
        f'{{"conn_type": "aws", "login": "key", "password": "{SECRET}", "extra": {extra}}}',
    )
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="eu-north-1", aws_access_key_id="key",
        aws_secret_access_key=SECRET,
    )  # fmt: skip
    client.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    # A name of its own: Airflow keeps a file system for each connection.
    yield Bucket(server, client, f"s3://store_{port}@evidence/incidents")
    server.stop()


def test_what_is_kept_is_listed_read_and_dropped(bucket: Bucket) -> None:
    folder = EvidenceFolder(bucket.url)
    folder.keep(PLACE, b"one")
    folder.keep(PLACE, b"two")
    folder.keep("INC-2/1/look/01-a.log", b"other")
    assert folder.read(PLACE) == b"two"
    assert bucket.keys() == [f"incidents/{PLACE}", "incidents/INC-2/1/look/01-a.log"]
    folder.drop([PLACE, PLACE])
    assert bucket.keys() == ["incidents/INC-2/1/look/01-a.log"]
    with pytest.raises(EvidenceUnavailable, match="check `evidence_url`"):
        folder.read(PLACE)


def an_incident(bucket: Bucket) -> tuple[House, Evidence, Incident]:
    """Its house, and what keeps its evidence in the bucket."""
    house = House()
    (receipt,) = house.intake.receive([failed()], house.now)
    assert receipt.incident
    return house, Evidence(house.store, EvidenceFolder(bucket.url)), house.incident(receipt.incident)


def test_an_incident_has_its_limit_and_its_evidence_goes_with_it(bucket: Bucket) -> None:
    house, evidence, incident = an_incident(bucket)
    big = Exhibit("big.log", "x" * 60_000 + " password=hunter3")
    texts = []
    for attempt in range(MOST_OF_INCIDENT // 60_000 + 2):
        texts.append(evidence.keep(incident, attempt, "look", [big], house.now)[1])
    assert texts[0] == ""
    assert "no more than" in texts[-1]
    sizes = [one["Size"] for one in bucket.client.list_objects_v2(Bucket="evidence")["Contents"]]
    assert MOST_OF_INCIDENT - 65_536 < sum(sizes) <= MOST_OF_INCIDENT
    assert b"hunter3" not in evidence.read(1, "INC-1/0/look/01-big.log")[1]

    house.lifecycle.resolve(1, "ann", house.now, resolution="mended")
    house.lifecycle.close(1, "ann", house.now)
    house.later(days=1)
    assert evidence.prune(house.now)["exhibits"] == len(sizes)
    assert bucket.keys() == []


def test_a_bucket_that_is_away_holds_up_no_repair(bucket: Bucket) -> None:
    """It says so, without a secret; what is old stays listed until it can be deleted."""
    house, evidence, incident = an_incident(bucket)
    evidence.keep(incident, 1, "look", [Exhibit("a.log", "x")], house.now)
    bucket.server.stop()

    kept, said = evidence.keep(
        incident, 1, "again", [Exhibit("b.log", "x"), Exhibit("c.log", "x")], house.now
    )

    assert kept == []
    assert said.startswith("; evidence was not kept: ")
    assert "Could not connect" in said
    assert said.endswith("check `evidence_url` in [incident_response]")
    assert SECRET not in said
    with pytest.raises(EvidenceUnavailable, match="check `evidence_url`"):
        evidence.read(1, "INC-1/1/look/01-a.log")
