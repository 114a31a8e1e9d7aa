"""Templates and rows: what they may say, and how they are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import BadRequest
from stream.jobs.expansion import row_count, rows_of_csv, stage_of, variants
from stream.jobs.reading import read_values
from stream.jobs.substitution import substituted
from stream.jobs.template import Template

CAMPAIGN = b"""
version: 1
name: spring
seed: 7
assets: {logo: logo.png, wide: wide.mp4, tall: tall.mp4}
parameters:
  mode: product
  axes:
    format: [{id: wide, width: 640, footage: wide}, {id: tall, width: 360, footage: tall}]
    language: [en, de]
    seconds: [6]
stages:
  - name: picture
    operator: composite
    inputs: {footage: "asset:${format.footage}", logo: "asset:logo"}
    settings: {width: "${format.width}", text: "${language} for ${seconds} s, $$5", duration: "${seconds}"}
    seed: "${seconds}"
  - {name: master, operator: transcode, inputs: {video: "stage:picture"}}
finals: [master, picture/poster.png]
"""


def test_a_product_has_every_combination_and_the_last_axis_changes_first() -> None:
    template = Template.read(CAMPAIGN)
    found = list(variants(template))
    assert [variant.name for variant in found] == ["wide_en_6", "wide_de_6", "tall_en_6", "tall_de_6"]
    assert row_count(template) == 4


def test_a_zip_takes_the_values_of_all_axes_together() -> None:
    text = CAMPAIGN.replace(b"mode: product", b"mode: zip").replace(b"seconds: [6]", b"seconds: [6, 7]")
    template = Template.read(text)
    assert [variant.name for variant in variants(template)] == ["wide_en_6", "tall_de_7"]
    assert row_count(template) == 2


def test_a_row_is_the_same_variant_whatever_stands_beside_it() -> None:
    """Golden: results are found again by it."""
    template = Template.read(CAMPAIGN)
    ids = {variant.name: variant.id for variant in variants(template)}
    fewer = Template.read(CAMPAIGN.replace(b"[en, de]", b"[de]"))
    assert [variant.id for variant in variants(fewer)] == [ids["wide_de_6"], ids["tall_de_6"]]
    assert ids["wide_en_6"] == "788f2571056c2016"


def test_values_keep_their_kinds_where_they_stand_alone() -> None:
    template = Template.read(CAMPAIGN)
    stage = stage_of(template.stages[0], 0, list(variants(template))[3], template)
    assert stage.settings == {"width": 360, "text": "de for 6 s, $5", "duration": 6}
    assert (stage.inputs["footage"].name, stage.inputs["logo"].name, stage.seed) == ("tall", "logo", 6)
    assert stage_of(template.stages[1], 1, next(iter(variants(template))), template).seed == 7


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"version: 1", b"version: 2", "version"),
        (b"operator: transcode", b"operater: transcode", "stages[1].operater"),
        (b"stage:picture", b"stage:master", "'master' is no earlier stage"),
        (b"asset:logo", b"asset:../../etc/passwd", "no asset '../../etc/passwd'"),
        (b"asset:logo", b"file:///etc/passwd", "neither asset:NAME"),
        (b"finals: [master", b"finals: [other", "no stage 'other'"),
        (b"mode: product", b"mode: zip", "format has 2, language has 2, seconds has 1"),
        (b"mode: product", b"mode: rows", "takes `rows`"),
        (b"mode: product", b"", "parameters.mode"),
        (b"[en, de]", b"[]", "there would be no variant"),
        (b"[en, de]", b"[[en]]", "a text, a number, true or false"),
        (b"{id: wide,", b"{width2: 1,", "need an `id`"),
        (b"seed: 7", b"seed: 7\nseed: 8", "line 5, column 1: 'seed' stands here twice"),
        (b"seed: 7", b"seed: 1e999", "not a finite number"),
        (b"seed: 7", b"seed: &a 7\nx: *a", "aliases"),
        (b"seed: 7", b"seed: !!python/object/apply:os.system [true]", "tags"),
        (b"name: spring", b"name: ../spring", "name"),
    ],
    ids=lambda value: value.decode()[:30] if isinstance(value, bytes) else "",
)
def test_what_is_wrong_is_said_with_its_field(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Template.read(CAMPAIGN.replace(old, new, 1), "campaign.yaml")
    assert caught.value.code == "template_invalid"
    assert said in caught.value.message
    assert caught.value.message.startswith("campaign.yaml: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${langage}", "there is no parameter 'langage'"),
        ("${format.height}", "has no field 'height'"),
        ("${language.code}", "language 'en' has no field 'code'; it has none"),
        ("${1 + 1}", "no expression"),
        ("${__class__}", "no expression"),
        ("${format.footage.x}", "no expression"),
        ("${language", "without its `}`"),
    ],
)
def test_references_name_parameters_and_compute_nothing(text: str, said: str) -> None:
    template = Template.read(CAMPAIGN.replace(b"${language} for", text.encode() + b" for"))
    with pytest.raises(BadRequest) as caught:
        stage_of(template.stages[0], 0, next(iter(variants(template))), template)
    assert said in caught.value.message
    assert "row 1 (wide_en_6): stages[0].settings.text" in caught.value.message


def test_a_value_chooses_among_assets_and_never_names_a_file() -> None:
    template = Template.read(CAMPAIGN.replace(b"footage: tall}", b"footage: ../secret}"))
    with pytest.raises(BadRequest, match=r"row 3 \(tall_en_6\).*no asset '\.\.'"):
        stage_of(template.stages[0], 0, list(variants(template))[2], template)


def test_a_few_lists_are_not_made_into_more_rows_than_memory_holds() -> None:
    axes = "\n".join(f"    a{index}: {list(range(100))}" for index in range(20))
    text = f"version: 1\nname: x\nparameters:\n  mode: product\n  axes:\n{axes}\nstages: [{{name: a, operator: b}}]\n"
    template = Template.read(f"{text}finals: [a]".encode())
    assert row_count(template) == 100**20
    with pytest.raises(BadRequest, match="a job has at most 100000"):
        next(variants(template))


def test_a_row_that_stands_there_twice_is_refused() -> None:
    template = Template.read(CAMPAIGN.replace(b"[en, de]", b"[en, en]"))
    with pytest.raises(BadRequest, match="row 2 is the same as row 1"):
        list(variants(template))


def test_rows_of_a_csv_file() -> None:
    content = '﻿word,count,share,name\n=cmd(),3,0.5,007\n"a,b",1_000, 5 ,1e5\n'.encode()
    assert rows_of_csv(content, "rows.csv") == [
        {"word": "=cmd()", "count": 3, "share": 0.5, "name": "007"},
        {"word": "a,b", "count": "1_000", "share": " 5 ", "name": "1e5"},
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,a\n1,2\n", "line 1 names the columns"),
        (b"", "line 1 names the columns"),
        (b"a,b\n1,2\n3\n", "line 3: 1 values for 2 columns"),
        (b'a,b\n1,"2\n', "line 2"),
        (b"a\n\xff\n", "not UTF-8"),
    ],
)
def test_a_csv_file_that_is_wrong_is_told_of_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        rows_of_csv(content, "rows.csv")


@pytest.mark.parametrize("text", [b"yes", b"no", b"on", b"2026-11-29", b"0o7", b"1_000", b"12:30:45"])
def test_a_word_stays_a_word(text: bytes) -> None:
    value = read_values(b"a: " + text, "t")
    assert isinstance(value, dict)
    assert value["a"] == text.decode()


def test_numbers_are_spelled_as_json_spells_them() -> None:
    assert read_values(b"[1, -2, 0.5, 1e3, true, null, ~, '1']", "t") == [1, -2, 0.5, 1000.0, True, None, None, "1"]


@given(st.text(max_size=50))
def test_a_dollar_sign_that_is_doubled_is_a_dollar_sign(text: str) -> None:
    assert substituted(text.replace("$", "$$"), {}, "x") == text
