"""Progress has one form for every reader, and what is on the wire and in stores of before is read as it was written."""

import pytest

from stream.control.state import PartEntry, SubjectHead, entries, joined
from stream.errors import BadEvent
from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.grid import SECOND_NS
from stream.events.ids import AssetVersion
from stream.events.progress import (
    PartProgressed,
    Subject,
    SubjectKey,
    ended_by,
    progress_of,
    segment_report,
    subject_of,
)

REF = AssetRef(tenant="t", project="p", asset_id="a", version=AssetVersion(1_700_000_000_000, 7))
SEGMENT = (
    b'{"asset":{"tenant":"t","project":"p","asset_id":"a","version":[1700000000000,7]},"stage":"decode","segment":2,'
    b'"segment_count":3,"video_ns":4000000000,"outcome":"done","cpu_us":9,"device_us":0,"read_bytes":5}'
)
PART = PartProgressed(
    subject=Subject(kind="script", tenant="t", project="p", id="a", version=REF.version),
    stage="draw",
    part=0,
    parts=2,
    quantity=250,
    unit="frames",
)


def test_a_segment_is_written_as_ever_and_read_as_a_part() -> None:
    report = segment_report(REF, "decode", 2, 3, 24 * SECOND_NS).model_copy(update={"cpu_us": 9, "read_bytes": 5})
    assert report.to_bytes() == SEGMENT
    part = progress_of(SegmentProgressed.from_bytes(SEGMENT))
    assert part is not None
    assert part.subject == subject_of(REF)
    assert (*part.subject, part.project) == ("asset", "t", "a", REF.version, "p")
    assert (part.stage, part.part, part.parts, part.quantity, part.unit) == ("decode", 2, 3, 4 * SECOND_NS, "video_ns")
    assert (part.outcome, part.cpu_us, part.device_us, part.read_bytes) == (Outcome.DONE, 9, 0, 5)


def test_a_part_of_anything_comes_over_the_wire_as_it_is() -> None:
    read = PartProgressed.from_bytes(PART.to_bytes())
    assert read == PART
    part = progress_of(read)
    assert part is not None
    assert part.subject == SubjectKey("script", "t", "a", REF.version)
    assert (part.project, part.stage, part.part, part.parts) == ("p", "draw", 0, 2)
    assert (part.quantity, part.unit, part.outcome, part.priority) == (250, "frames", Outcome.DONE, None)
    with pytest.raises(BadEvent):
        PartProgressed.from_bytes(PART.to_bytes().replace(b'"frames"', b'"frames, or so"'))


@pytest.mark.parametrize(
    ("status", "ended"), [("planned", None), ("ready", False), ("failed", False), ("deleted", True)]
)
def test_a_final_status_ends_the_work_of_an_asset(status: str, ended: bool | None) -> None:
    found = ended_by(AssetChanged(asset=REF, uri="u", status=AssetStatus(status)))
    assert (None if found is None else found.deleted) is ended
    assert found is None or found.subject == subject_of(REF)
    assert ended_by(PART) is None
    assert progress_of(AssetChanged(asset=REF, uri="u", status=AssetStatus(status))) is None


def test_entries_of_before_are_read_and_those_of_assets_stay_as_they_were() -> None:
    """The bytes are those that the release before progress of any work wrote."""
    made = entries(SegmentProgressed.from_bytes(SEGMENT), lambda _: None)
    head = bytes.fromhex("34be1517f0459c108c40952e89a7597a")
    name = "0bfa4f95144965d353012183a682c965"
    ref = b'{"tenant":"t","project":"-","asset_id":"' + name.encode() + b'","version":[1700000000000,7]}'
    assert made == [
        (bytes.fromhex(name) + b"#", b'{"named":[1700000000000,7],"asset_id":"a","project":"p"}'),
        (head, b'{"asset":' + ref + b',"segment_count":3}'),
        (head + b"decode/2", b"1,4000000000,9,0,5"),
    ]
    assert PartEntry.from_bytes(made[2][1]).unit == "video_ns"
    old = b'{"asset":{"tenant":"t","project":"-","asset_id":"00","version":[1,2]},"segment_count":3}'
    assert SubjectHead.from_bytes(old).kind == "asset"
    assert SubjectHead.from_bytes(old).to_bytes() == old


def test_entries_of_other_work_keep_their_unit_when_joined() -> None:
    (_, _, (cell, value)) = entries(PART, lambda _: None)
    assert value == b"1,250,0,0,0,frames"
    failed = PartEntry(outcomes=2, unit="frames").to_bytes()
    assert joined(cell, failed, value) == joined(cell, value, failed) == b"3,250,0,0,0,frames"
    (_, (head, _), _) = entries(PART, lambda _: None)
    (_, (other, _), _) = entries(SegmentProgressed.from_bytes(SEGMENT), lambda _: None)
    assert head != other, "a script and an asset of one name are two subjects"
