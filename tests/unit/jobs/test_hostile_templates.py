"""Templates, rows and names that are made to exhaust a machine, to crash it, or to reach what is another's."""

import json
from pathlib import Path

import pytest

from sinks.location import Location
from sinks.objects.delivery import ObjectDelivery
from sinks.objects.delivery_roots import DeliveryRoot
from sinks.objects.store import ObjectStore
from stream.errors import BadMedia, BadRequest, Fatal
from stream.events.jobs import JobSpec, TaskAsked
from stream.events.objects import own_folder
from stream.jobs.descriptions import Description
from stream.jobs.expansion import rows_of_csv
from stream.jobs.reading import read_values
from stream.jobs.reports import status_name
from stream.jobs.substitution import substituted
from stream.jobs.template import MAX_ROWS

TAGGED = ["a: !!int ''", "a: !!bool x", "a: !!timestamp x", "a: !!float x", "!!set {a, b}", "a: !<x> b", "a: ! b"]


@pytest.mark.parametrize("text", [*TAGGED, "? [a]\n: b", "? {a: b}\n: c", 'a: "\\ud800"', '"\\udfff": a'])
def test_what_is_not_plain_is_refused_with_words(text: str) -> None:
    with pytest.raises(BadRequest, match=r"tags|a key is a text|half of a character"):
        read_values(text.encode(), "t")


def test_references_to_a_long_text_do_not_unfold() -> None:
    row = {"a": "x" * 10_000}
    assert substituted(["${a}"] * 100, row, "t") == ["x" * 10_000] * 100
    for value in (["${a}"] * 101, "${a} " * 101, {"k": [{"inner": "${a}${a}"}] * 51}):
        with pytest.raises(BadRequest, match="come to more than"):
            substituted(value, row, "t")  # type: ignore[arg-type]


def test_a_csv_file_of_too_many_rows_is_not_read_to_its_end() -> None:
    with pytest.raises(BadRequest, match=f"more than {MAX_ROWS} rows"):
        # The line after them would be refused with other words.
        rows_of_csv(b"a\n" + b"1\n" * (MAX_ROWS + 1) + b"1,2\n", "rows.csv")


@pytest.mark.parametrize("value", [2**53, [[[]]] * 2, "x"])
def test_a_submission_is_checked_as_a_file_is(value: object) -> None:
    deep: object = value
    for _ in range(40 if isinstance(value, list) else 1):
        deep = [deep]
    stages = [{"name": "s", "operator": "o", "settings": {"a": deep}}]
    template = {"version": 1, "name": "t", "stages": stages, "finals": ["s"]}
    content = json.dumps({"tenant": "a", "project": "p", "job": "t", "template": template})
    spec = JobSpec.model_validate_json(content)
    if value == "x":
        assert Description.of(spec).template.name == "t"
        return
    with pytest.raises(BadRequest, match=r"nested more than|below 2\^53"):
        Description.of(spec)


@pytest.mark.parametrize("tenant", ["..", ".", ".hidden", "a/b", "a.b", "." * 200, "春" * 20])
def test_every_tenant_has_a_folder_of_its_own(tenant: str, tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    digest = store.of(tenant).put_bytes(b"x")
    store.documents.write(status_name(tenant, "job"), b"{}")
    assert store.of(tenant).read(digest, 10) == b"x"
    assert [path.name for path in (tmp_path / "tenants").iterdir()] == [own_folder(tenant)]
    assert list(store.documents.names("jobs")) == [f"jobs/{own_folder(tenant)}/job/status.json"]


@pytest.mark.parametrize("place", ["s3://media/finals/../other", "s3://media/finals/./../other", "s3://media/.."])
def test_no_place_names_the_folder_above(place: str, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="no store can lie"):
        Location.of(place)
    with pytest.raises(BadMedia):
        _delivery(tmp_path, "s3://media/finals").deliver("acme", _task(place), tmp_path)


@pytest.mark.parametrize("place", ["finals/../other", "finals/link", "finals-of-others"])
def test_no_folder_outside_of_the_allowed_one_is_written(place: str, tmp_path: Path) -> None:
    (tmp_path / "finals").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "finals/link").symlink_to(tmp_path / "other")
    with pytest.raises(BadMedia, match="delivers nothing"):
        _delivery(tmp_path, tmp_path / "finals").deliver("acme", _task(str(tmp_path / place)), tmp_path)
    assert not list((tmp_path / "other").iterdir())


def test_variants_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    delivery = _delivery(tmp_path, tmp_path)
    for variant in ("a" * 15 + "0", "a" * 15 + "1"):
        delivery.deliver("acme", _task(str(tmp_path / "out"), variant), tmp_path)
    assert len(list((tmp_path / "out/job").iterdir())) == 2


def _delivery(folder: Path, allowed: Path | str) -> ObjectDelivery:
    roots = (DeliveryRoot.parse(f"acme={allowed}"),)
    return ObjectDelivery(ObjectStore(folder / "store"), lambda *_: b"signed", lambda _, task: task.variant, roots)


def _task(to: str, variant: str = "0" * 16) -> TaskAsked:
    settings = {"to": to, "name": "only", "finals": []}
    facts = {"job": "job", "variant": variant, "kind": "deliver", "key": "0" * 64, "stage_key": "0" * 64}
    return TaskAsked.model_validate(facts | {"stage": "deliver", "operator": "deliver", "settings": settings})
