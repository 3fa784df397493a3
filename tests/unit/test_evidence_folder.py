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


def test_no_empty_folder_is_left_and_nothing_else_goes(tmp_path: Path) -> None:
    """The folder of all evidence stays, whatever is in it; so does what somebody has put there."""
    folder = EvidenceFolder(str(tmp_path / "evidence"))
    other = "INC-1/2/look/01-a.log"
    for place in (PLACE, other, "INC-2/1/look/01-a.log"):
        folder.keep(place, b"")
    folder.drop([PLACE])
    assert sorted(one.name for one in (tmp_path / "evidence" / "INC-1").iterdir()) == ["2"]
    (tmp_path / "evidence" / "INC-1" / "note.txt").touch()
    folder.drop([other, "INC-2/1/look/01-a.log", "INC-3/1/look/01-a.log"])
    assert sorted(f"{one.relative_to(tmp_path)}" for one in tmp_path.rglob("*")) == [
        "evidence",
        "evidence/INC-1",
        "evidence/INC-1/note.txt",
    ]
    (tmp_path / "evidence" / "INC-1" / "note.txt").unlink()
    folder.drop([PLACE])
    assert list((tmp_path / "evidence").iterdir()) == []


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
