"""The page about better footage: its template is one, and it names what there is."""

from pathlib import Path

from stream.events.jobs import JobSpec
from stream.events.objects import StoredFile
from stream.jobs.descriptions import Description
from stream.jobs.submission import prepare
from stream.media.catalogue import OperatorCatalogue
from stream.media.restyle.settings import RestyleSettings
from stream.media.restyle.styles import STYLES
from tests.support.pages import page

PAGE = page("docs/how-to/improve-footage.md")


def test_every_stage_of_its_template_is_taken_by_its_operator(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "old.mp4").write_bytes(b"film")
    (tmp_path / "archive.yaml").write_text(PAGE.blocks("yaml")[0])
    prepared = prepare(tmp_path / "archive.yaml")
    film = StoredFile(name="film", digest=f"sha256:{'0' * 64}", size=4, media_type="video/mp4")
    spec = JobSpec(tenant="t", project="p", job="archive", template=prepared.values, assets={"film": film})
    described, operators = Description.of(spec), OperatorCatalogue()
    assert [stage.operator for stage in described.template.stages] == ["upscale", "interpolate", "restyle", "transcode"]
    for number in range(len(described.variants)):
        for index in range(4):
            stage = described.stage(number, index)
            checked = operators.checked(stage.operator, stage.settings, tuple(stage.inputs))
            assert checked["input"] == "film"


def test_it_names_every_style_and_field() -> None:
    assert {name for name in STYLES if f"`{name}`" not in PAGE.text} == set()
    assert {name for name in RestyleSettings.model_fields if f"`{name}`" not in PAGE.text} <= {"input"}
