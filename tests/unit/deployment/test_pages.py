"""The pages tell the truth: every command parses, every example is what it says, every list is complete."""

import ast
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.core import TyperGroup

from deploy.documents.decisions import decision_files, title
from deploy.documents.delta_table import COLUMNS
from deploy.documents.events import example_json
from deploy.documents.settings import ENVIRONMENT, SETTINGS
from models.registry import ModelContext, load
from models.weights.pins import PINS
from sinks.schema import delta_schema
from stream.broker.contract import Record
from stream.cli.app import app
from stream.cli.execution import leaves, tree
from stream.deployment.payloads import payload_schemas
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Payload
from stream.pipelines.reference import whole_topology
from stream.pipelines.settings import Settings
from stream.search.hit import Hit
from stream.topology.codec import EventDecoder
from stream.topology.topics import ASSETS, DEPLOYMENTS, TOPICS
from tests.support.pages import ROOT, Page, page, pages

USAGE: type[Exception] = typer.BadParameter.__bases__[0]
OTHERS = {"cd", "curl", "jq", "kill", "kubectl", "make", "pip", "pre-commit", "pytest", "python"}
"""What pages may also run; every reader knows it."""
EXAMPLES = "docs/examples/README.md"
OF_EXAMPLES = {"apt-get", "mvn", "node", "npm", "sh"}
"""Run by `tests/integration/test_kafka_examples.py`."""
PAGES = pages()
JSON_PAYLOADS = [
    it for topic in (*TOPICS.values(), DEPLOYMENTS) for it in topic.payloads if it.content_type == "application/json"
]
PUBLISHING = page("docs/how-to/publish-events.md")


def parse(words: list[str]) -> None:
    """As the command line would, without running anything. Raises `USAGE`."""
    command = tree(app)
    context = command.make_context("rushes", list(words))
    while isinstance(command, TyperGroup):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found
        context = command.make_context(name or "", rest, parent=context)


@pytest.mark.parametrize("shown", PAGES, ids=lambda it: it.name)
def test_every_command_of_a_page_parses(shown: Page) -> None:
    for words in shown.commands():
        assert words[0] in OTHERS | {"rushes"} | (OF_EXAMPLES if shown.name == EXAMPLES else set()), words
        if words[0] == "rushes":
            try:
                parse(words[1:])
            except USAGE as error:
                pytest.fail(f"{' '.join(words)}: {error}")


@pytest.mark.parametrize("shown", PAGES, ids=lambda it: it.name)
def test_every_command_that_a_sentence_names_is_there(shown: Page) -> None:
    for words in shown.mentions():
        try:
            parse([word for word in words[1:] if word != "--help"])
        except USAGE as error:
            assert "Missing" in type(error).__name__ or "NoArgs" in type(error).__name__, (words, error)


def test_there_are_commands_on_the_pages() -> None:
    assert sum(len(it.commands()) for it in PAGES) > 80
    assert sum(len(it.mentions()) for it in PAGES) > 30


@pytest.mark.parametrize("line", ["lag --brokers kafka://h:1", "dead-letters resend", "run decode", "compact all"])
def test_what_is_no_command_does_not_parse(line: str) -> None:
    with pytest.raises(USAGE):
        parse(line.split())


def test_blocks_of_code_are_code() -> None:
    for shown in PAGES:
        for block in shown.blocks("python"):
            ast.parse(block)
        for block in shown.blocks("json"):
            json.loads(block)
        for match in re.finditer(r"^ *```(\w*)\n", shown.text, re.MULTILINE):
            assert match[1] in {"", "sh", "python", "json", "text", "toml", "yaml", "mermaid"}, (shown.name, match[1])


def is_hidden(words: tuple[str, ...]) -> bool:
    """Whether a command, or a group that it is in, is left out of the help."""
    command = tree(app)
    for word in words:
        command = command.commands[word]
        if command.hidden:
            return True
    return False


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    headings = set(re.findall(r"^## rushes (.+)$", text, re.MULTILINE))
    listed = {words: leaf for words, leaf in leaves(tree(app)).items() if not is_hidden(words)}
    assert headings == {" ".join(words) for words in listed}
    assert ("spaces", "use") in listed
    assert ("models", "use") not in listed, "its former name still works"
    for words, leaf in listed.items():
        section = text.partition(f"## rushes {' '.join(words)}\n")[2].partition("\n## ")[0]
        for parameter in leaf.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert f"`{parameter.opts[0]}" in section


@pytest.mark.parametrize("payload", JSON_PAYLOADS, ids=lambda it: it.type)
def test_every_example_of_an_event_decodes_to_what_it_shows(payload: type[Payload]) -> None:
    shown = example_json(payload, payload_schemas([payload]))
    assert shown is not None
    read = json.loads(payload.from_bytes(shown.encode()).to_bytes())
    assert {name: read[name] for name in json.loads(shown)}.keys() == json.loads(shown).keys()
    assert "text" not in json.loads(shown).values(), "give the field a value in deploy/documents/examples.py"


def decoded(value: str, headers: dict[str, bytes]) -> tuple[object, str, str]:
    record = Record("assets", 0, 0, b"", value.encode(), headers, 1_764_016_600_000)
    event = EventDecoder([ASSETS]).decode(record)
    return event.data, event.tenant, event.project


def test_events_to_copy_are_understood_in_both_modes() -> None:
    structured, data, deletion = PUBLISHING.blocks("json")
    heads = dict(line.split(": ", 1) for line in PUBLISHING.blocks("text")[0].splitlines())
    wanted = AssetPublished(
        uri="s3://footage/acme/interview-7.mp4", asset_id="interview-7", labels={"show": "evening-news"}
    )
    assert decoded(structured, {"content-type": b"application/cloudevents+json"}) == (wanted, "acme", "news")
    assert decoded(data, {name: text.encode() for name, text in heads.items()}) == (wanted, "acme", "news")
    gone = decoded(deletion, {"content-type": b"application/cloudevents+json"})
    assert gone == (AssetDeleted(asset_id="interview-7"), "acme", "default")


def test_the_model_to_copy_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_context: ModelContext) -> None:
    (tmp_path / "copied_models").mkdir()
    (tmp_path / "copied_models" / "colour.py").write_text(page("docs/how-to/add-a-model.md").blocks("python")[0])
    monkeypatch.syspath_prepend(tmp_path)
    model = load("embedder", "copied_models.colour:MeanColour", model_context)
    red = np.zeros((4, 4, 3), np.uint8) + np.array([200, 10, 10], np.uint8)
    (picture,), (words, other) = model.embed([red], None), model.embed_text(["red", "blue"])
    assert picture @ words > 0.9
    assert picture @ other < 0.2
    assert np.linalg.norm(picture) == pytest.approx(1)
    for name in ("copied_models", "copied_models.colour"):
        sys.modules.pop(name, None)


def test_every_environment_variable_is_in_the_reference() -> None:
    code = [
        path.read_text() for name in ("stream", "decoders", "models", "sinks") for path in (ROOT / name).rglob("*.py")
    ]
    assert {it for text in code for it in re.findall(r"(?<!_)RUSHES_[A-Z_]+", text)} == set(ENVIRONMENT)


def test_every_setting_has_a_meaning_and_its_option() -> None:
    assert SETTINGS.keys() == set(Settings.__dataclass_fields__)
    options = {text for leaf in leaves(tree(app)).values() for each in leaf.params for text in each.opts}
    options |= {text for each in tree(app).params for text in each.opts}
    named = {it for by, _ in SETTINGS.values() for it in by.split(", ") if it}
    assert named - options - set(ENVIRONMENT) == set()


def test_the_picture_shows_stages_and_topics_that_there_are() -> None:
    picture = (ROOT / "docs" / "concepts" / "picture.svg").read_text()
    texts = re.findall(r'text-anchor="middle" fill="(#\w+)">([^<]+)<', picture)
    topology = whole_topology()
    stages = {text for colour, text in texts if colour == "#ffffff"} - {"stage"}
    topics = {text for colour, text in texts if colour == "#004d40"} - {"topic"}
    assert stages < {it.name for it in topology.stages}
    assert topics < {it.name for it in topology.topics}
    assert len(stages) >= 5 <= len(topics)


def test_the_glossary_has_each_term_once_in_order() -> None:
    terms = re.findall(r"^\| ([^|]+?) \|", page("docs/concepts/glossary.md").text, re.MULTILINE)[2:]
    assert len(terms) > 40
    assert terms == sorted(set(terms), key=str.lower)


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(title(path)[0]) for path in decision_files()] == list(range(1, len(decision_files()) + 1))


def test_files_that_pages_name_are_there() -> None:
    """Places in the tree, as code; what a reader is to write has `my_` in its name."""
    place = re.compile(r"`((?:stream|decoders|models|sinks|deploy|docs|tests|benchmarks)/[a-z0-9_./-]+)`")
    named = {
        (each.name, found)
        for each in (*PAGES, page("ARCHITECTURE.md"), page("SECURITY.md"))
        for found in place.findall(each.text)
        if "/my_" not in found
    }
    assert len(named) > 40
    assert {it for it in named if not (ROOT / it[1]).exists()} == set()


def test_the_notice_names_everything_that_is_fetched_with_its_licence() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for pin in PINS:
        paragraph = notice.partition(f"\n{pin.package} {pin.version}: ")[2].partition("\n\n")[0]
        assert f"Licence: {pin.licence}" in paragraph, pin.name
    assert notice.count("Licence: ") == len(PINS)
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_every_column_of_the_delta_table_has_a_meaning_and_pages_name_no_other() -> None:
    names = set(delta_schema().names)
    assert set(COLUMNS) == names
    shown = page("docs/how-to/read-the-delta-table.md")
    used = set(re.findall(r"\*\*`([a-z_]+)`\*\*|pl\.col\(\"([a-z_]+)\"\)", shown.text))
    assert {first or second for first, second in used} < names
    assert len(used) > 4


def test_the_hit_that_is_shown_has_the_fields_of_a_hit() -> None:
    shown = json.loads(page("docs/how-to/search-from-scripts.md").blocks("json")[0])[0]
    fields = {
        "source_timecode": None,
        "file_offset_ns": 0,
        "thumbnail": b"",
        "tags": (),
        "labels": (),
        "moment_ids": (),
        "not_looked_for": (),
    }
    real = Hit(**{name: fields.get(name, shown.get(name, 0)) for name in Hit.__dataclass_fields__})
    assert list(shown) == list(real.as_json())
