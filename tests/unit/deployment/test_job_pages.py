"""What the pages about jobs show is accepted, does what they say, and is refused in the words that they quote."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from stream.errors import BadRequest
from stream.events.jobs import JobSpec
from stream.events.objects import StoredFile
from stream.jobs.descriptions import Description
from stream.jobs.examination import examined
from stream.jobs.expansion import rows_of_csv
from stream.jobs.reading import read_values
from stream.jobs.submission import prepare
from stream.media import REGISTRY
from stream.media.catalogue import OperatorCatalogue
from stream.media.rendering import Renderer, RenderWork
from stream.media.transcode.profiles import PROFILES

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES, OPERATORS = (
    ROOT / "docs" / "how-to" / f"{name}.md" for name in ("write-a-template", "add-a-media-operator")
)
LOGO = StoredFile(name="logo.png", digest=f"sha256:{'0' * 64}", size=0, media_type="image/png")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def described(text: str) -> Description:
    values = read_values(text.encode(), "t.yaml")
    assert isinstance(values, dict)
    assets = values.get("assets")
    names = list(assets) if isinstance(assets, dict) else []
    return Description.of(JobSpec(tenant="t", project="p", job="j", template=values, assets=dict.fromkeys(names, LOGO)))


@pytest.mark.parametrize(("index", "variants"), [(0, 1), (1, 4)])
def test_templates_to_copy_are_accepted(index: int, variants: int) -> None:
    found = described(blocks(TEMPLATES, "yaml")[index])
    assert examined(found, OperatorCatalogue()).problems == []
    assert len(found.variants) == variants


def test_folders_of_deliveries_are_named_as_they_will_be() -> None:
    campaign = ROOT / "docs" / "how-to" / "run-a-campaign.md"
    folders = {f"{variant.name}-{variant.id}" for variant in described(blocks(campaign, "yaml")[0]).variants}
    for name in ("run-a-campaign", "read-a-manifest", "deliver-to-a-bucket"):
        shown = set(re.findall(r"wide_en-\w+", (campaign.parent / f"{name}.md").read_text()))
        assert shown, name
        assert shown <= folders, name


def test_the_reference_has_every_operator_with_its_limits_and_every_profile() -> None:
    text = (ROOT / "docs" / "reference" / "operators.md").read_text()
    for name in set(REGISTRY) - {"composite"}:
        assert f"\n## `{name}`\n\nOutputs: `" in text
    for name in PROFILES:
        assert f"\n| `{name}` | " in text
    # What a schema of pydantic tells, what it loses, and what may be none.
    assert "| `width` | whole number from 16 to 8192 | none |" in text
    assert "| `target_lufs` | number from -40 to -5 | required |" in text
    assert "| `poster_s` | number from 0 to 86400 | none |" in text
    assert "| `sound` | true or false | `true` |" in text


def test_the_operator_to_copy_works_in_its_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "copied_media"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "operator.py").write_text(blocks(OPERATORS, "python")[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    operators = {**REGISTRY, "swatch": "copied_media.operator:Swatch"}
    catalogue, found = OperatorCatalogue(operators), described(blocks(OPERATORS, "yaml")[0])
    assert examined(found, catalogue).problems == []
    with pytest.raises(BadRequest, match="colour: 'nothing' is no colour"):
        catalogue.checked("swatch", {"colour": "nothing"}, ())
    settings = catalogue.checked("swatch", {"colour": "#c02020"}, ())
    renderer = Renderer(tmp_path / "work", operators={"swatch": operators["swatch"]})
    try:
        renderer.prepare()
        work = RenderWork("begin", "swatch", settings, {})
        made = renderer.run(work, stop=lambda: False, progress=lambda _share: None)
        with Image.open(made.files["swatch.png"]) as picture:
            assert (picture.size, picture.getpixel((5, 5))) == ((64, 64), (0xC0, 0x20, 0x20))
    finally:
        renderer.close()
    for name in ("copied_media", "copied_media.operator"):
        sys.modules.pop(name, None)


def of_page(old: str, new: str) -> Callable[[Path], object]:
    """The second template of the page with a change: what is wrong with it."""

    def found(_: Path) -> object:
        changed = described(blocks(TEMPLATES, "yaml")[1].replace(old, new))
        wrong = examined(changed, OperatorCatalogue()).problems
        raise BadRequest("; ".join(wrong), code="template_invalid")

    return found


def outside(folder: Path) -> object:
    (folder / "t.yaml").write_text(blocks(TEMPLATES, "yaml")[1].replace("brand/logo.png", "../logo.png"))
    return prepare(folder / "t.yaml")


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (lambda _: read_values(b"a: &x 1\nb: *x\n", "template.yaml"), "aliases"),
        (of_page("${headline}", "${langauge}"), "there is no parameter 'langauge'; there are"),
        (outside, "assets.logo: '../logo.png' lies outside of the template's folder"),
        (lambda _: rows_of_csv(b"a,b,c,d\n" + b"1,2,3,4\n" * 5 + b"1,2,3\n", "rows.csv"), "rows.csv: line 7: 3 values"),
        (of_page("duration: 4", "duration: 4.01"), "duration: 4.01 s are 100.25"),
        (of_page("h264_web", "h264_paper"), "stages[1] (film): profile: "),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_the_page(
    tmp_path: Path, does: Callable[[Path], object], words: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        does(tmp_path)
    assert words in refused.value.message
    assert words.partition(":")[2].strip()[:20] in TEMPLATES.read_text() or words in TEMPLATES.read_text()
