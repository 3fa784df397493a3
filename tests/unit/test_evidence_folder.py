"""Evidence in a folder, by its path or as a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_response.domain.errors import EvidenceUnavailable
from incident_response.evidence_folder import EvidenceFolder

PLACE = "INC-1/1/look/01-a.log"


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_what_is_kept_is_read_and_dropped(tmp_path: Path, prefix: str) -> None:
    """Again with the same place replaces it; what is not there any more is no trouble."""
    folder = EvidenceFolder(f"{prefix}{tmp_path}/evidence")
    folder.keep(PLACE, b"one")
    folder.keep(PLACE, b"two")
    assert folder.read(PLACE) == b"two"
    assert (tmp_path / "evidence" / PLACE).read_bytes() == b"two"
    folder.drop([PLACE, PLACE])
    assert not (tmp_path / "evidence" / PLACE).exists()


@pytest.mark.parametrize("place", ["", "..", "../x", "INC-1/../x", "/etc/passwd", "INC-1//x", "./x"])
def test_no_place_is_outside(tmp_path: Path, place: str) -> None:
    folder = EvidenceFolder(str(tmp_path))
    for call in (lambda: folder.keep(place, b""), lambda: folder.read(place), lambda: folder.drop([place])):
        with pytest.raises(EvidenceUnavailable, match="is no place of evidence"):
            call()


def test_an_error_names_the_setting_and_no_secret(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnavailable, match="evidence_url"):
        EvidenceFolder(str(tmp_path)).read(PLACE)
    with pytest.raises(EvidenceUnavailable) as caught:
        EvidenceFolder("nosuch://user:hunter2@bucket/x").read(PLACE)
    assert "hunter2" not in str(caught.value)
