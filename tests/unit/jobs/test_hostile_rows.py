"""Rows and templates that are wrong on purpose are refused with their row and field before anything is stored."""

from importlib import metadata
from pathlib import Path

import pytest
from pydantic import JsonValue

from stream.errors import BadRequest
from stream.events.jobs import JobSpec
from stream.events.objects import StoredFile
from stream.jobs.descriptions import Description
from stream.jobs.estimates import Rates
from stream.jobs.examination import examined
from stream.jobs.forecast import forecast
from stream.jobs.submission import prepare
from stream.jobs.substitution import axes_at
from stream.media.catalogue import OperatorCatalogue

TEMPLATE = """
version: 1
name: t
assets: {{logo: logo.png}}
parameters: {{mode: rows, rows: {rows}}}
stages:
  - name: draw
    operator: composite
    inputs: {inputs}
    settings: {{width: {width}, height: 64, duration: 1, layers: [{{kind: text, text: "{text}", start: {start}}}]}}
finals: [draw]
"""
PLAIN = {"rows": "[{s: good}, {s: bad}]", "inputs": "{}", "width": "64", "text": "${s}", "start": "0"}


def refused(folder: Path, **changes: str) -> str:
    """Why a template with these changes is not taken."""
    (folder / "logo.png").write_bytes(b"not looked at")
    (folder / "t.yaml").write_text(TEMPLATE.format(**(PLAIN | changes)))
    with pytest.raises(BadRequest) as error:
        found = prepare(folder / "t.yaml")
        asset = StoredFile(name="logo.png", digest=f"sha256:{'0' * 64}", size=0, media_type="image/png")
        spec = JobSpec(tenant="t", project="p", job="t", template=found.values, assets={"logo": asset})
        wrong = examined(Description.of(spec), OperatorCatalogue()).problems
        raise BadRequest("; ".join(wrong), code="template_invalid")
    return error.value.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"rows": "[{s: 0.5}, {s: -0.5}]", "start": '"${s}"'},
            "row 2 (0.5): stages[0] (draw): layers[0].start (of the parameter s): ",
        ),
        (
            {"rows": "[{s: 64}, {s: 65}]", "width": '"${s}"'},
            "row 2 (65): stages[0] (draw): width (of the parameter s): ",
        ),
        ({"rows": "[{s: 64}, {s: 1e300}]", "width": '"${s}"'}, "stages[0] (draw): width (of the parameter s): "),
        ({"text": "${s.__class__}"}, "row 1 (good) and 1 more: stages[0].settings.layers[0].text: a reference is"),
        ({"text": "${s+1}"}, "layers[0].text: a reference is"),
        ({"text": "${${s}}"}, "layers[0].text: `${` without its `}`"),
        (
            {"rows": "[{s: logo}, {s: ../logo}]", "inputs": '{l: "asset:${s}"}'},
            "row 2 (logo): stages[0].inputs.l (of the parameter s): no",
        ),
        (
            {"rows": "[{s: logo}, {s: none}]", "inputs": '{l: "asset:${s}"}'},
            "row 2 (none): stages[0].inputs.l (of the parameter s): no ass",
        ),
        (
            {"rows": "[{s: draw}]", "inputs": '{l: "stage:${s}"}'},
            "row 1 (draw): stages[0].inputs.l (of the parameter s): no stage",
        ),
        ({"inputs": '{l: "stage:draw"}'}, "stages[0].inputs.l: 'draw' is no earlier stage"),
        ({"rows": "[{s: a}, {s: b}, {s: a}]"}, "row 3 is the same as row 1"),
        ({"rows": "[]"}, "parameters.rows: there is none"),
        ({"rows": "/etc/passwd"}, "parameters.rows: '/etc/passwd' lies outside of the template's folder"),
        ({"rows": "[{s: a}, {s: 1e999}]"}, "parameters.rows[1].s: not a finite number"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_place(changes: dict[str, str], words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, **changes)


def test_a_place_of_a_template_has_the_parameters_that_it_names() -> None:
    settings: JsonValue = {"a": [{"size": "${s}", "text": "${t} and ${u}"}], "${k}": 1, "plain": 2}
    found = {
        place: sorted(axes_at(settings, place)) for place in ("a[0].text", "a.0.size.min", "a", "plain", "a[1]", "b")
    }
    assert found == {
        "a[0].text": ["t", "u"],
        "a.0.size.min": ["s"],
        "a": ["s", "t", "u"],
        "plain": [],
        "a[1]": [],
        "b": [],
    }


def test_a_value_that_looks_like_a_reference_or_a_formula_stays_text(tmp_path: Path) -> None:
    rows = '[{s: "${s}"}, {s: "=HYPERLINK(1)"}, {s: "<script>"}, {s: "../../etc"}, {s: "\\u202e\\u001b[31m"}]'
    (tmp_path / "logo.png").touch()
    (tmp_path / "t.yaml").write_text(TEMPLATE.format(**(PLAIN | {"rows": rows})))
    found = Description.of(JobSpec(tenant="t", project="p", job="t", template=prepare(tmp_path / "t.yaml").values))
    texts = [found.stage(number, 0).settings["layers"] for number in range(5)]
    assert [layers[0]["text"] for layers in texts if isinstance(layers, list) and isinstance(layers[0], dict)] == [
        *("${s}", "=HYPERLINK(1)", "<script>", "../../etc", "\u202e\u001b[31m")
    ]
    # Names are in paths, tables and pages: none of them begins a formula, a tag or a way upwards.
    assert [variant.name for variant in found.variants] == ["s", "HYPERLINK-1", "script", "etc", "31m"]


def test_rows_by_the_thousand_do_not_ask_the_machine_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    known = metadata.version

    def version(package: str) -> str:
        asked.append(package)
        return known(package)

    monkeypatch.setattr(metadata, "version", version)
    (tmp_path / "logo.png").touch()
    rows = "[" + ", ".join(f"{{s: n{number}}}" for number in range(300)) + "]"
    (tmp_path / "t.yaml").write_text(TEMPLATE.format(**(PLAIN | {"rows": rows})))
    found = Description.of(JobSpec(tenant="t", project="p", job="t", template=prepare(tmp_path / "t.yaml").values))
    catalogue = OperatorCatalogue()
    seen = examined(found, catalogue)
    assert seen.problems == []
    assert forecast(found, seen, Rates()).stages[0].computed == 300
    assert len(asked) < 20
