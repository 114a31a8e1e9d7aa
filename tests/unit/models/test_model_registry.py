"""Names to models, without loading what is heavy."""

import subprocess
from pathlib import Path

import pytest

from models import REGISTRY
from models.hashing import HashingTagger
from models.registry import ModelContext, load
from stream.errors import Fatal
from tests.support.programs import ROOT, program


@pytest.fixture
def context(tmp_path: Path) -> ModelContext:
    return ModelContext.of(tmp_path, threads=3)


def test_a_name_is_its_class_with_the_context(context: ModelContext) -> None:
    assert isinstance(load("tagger", "hashing", context), HashingTagger)
    assert isinstance(load("tagger", "models.hashing:HashingTagger", context), HashingTagger)


def test_what_follows_the_name_is_its_argument(context: ModelContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY["tagger"], "toy", "types:SimpleNamespace")
    monkeypatch.setattr("types.SimpleNamespace", lambda given: given)
    made = load("tagger", "toy:/a/dir:with/colon", context)
    assert made.argument == "/a/dir:with/colon"
    assert (made.threads, made.device, made.cache) == (3, "cpu", context.cache)
    assert context.argument == ""


@pytest.mark.parametrize("name", ["", "nothing", "nothing:Else", "a.b:not a name"])
def test_an_unknown_name_lists_what_there_is(name: str, context: ModelContext) -> None:
    with pytest.raises(Fatal, match="efficientnet-lite0, hashing") as unknown:
        load("tagger", name, context)
    assert unknown.value.code == "unknown_model"


@pytest.mark.parametrize("name", ["models.hashing:Absent", "no_such_package.module:Model", "/tmp/x.py:Tagger"])
def test_a_class_that_cannot_be_found_is_named(name: str, context: ModelContext) -> None:
    with pytest.raises(Fatal, match="cannot load tagger") as unknown:
        load("tagger", name, context)
    assert unknown.value.code == "unknown_model"


def test_a_class_that_cannot_be_made_is_named_without_what_it_says(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_context: ModelContext) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr("models.hashing.HashingTagger", fail)
    with pytest.raises(Fatal, match="cannot load tagger 'hashing': unexpected RuntimeError at") as unknown:
        load("tagger", "hashing", context)
    assert unknown.value.code == "unknown_model"
    assert "s3cret" not in unknown.value.message


@pytest.mark.parametrize("config", ["{not json", "[1]", "7", "[" * 100_000, "\xff"])
def test_a_broken_configuration_is_told_in_words(context: ModelContext, tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_bytes(config.encode("latin-1"))
    (tmp_path / "model.safetensors").touch()
    embedder = load("embedder", f"hf:{tmp_path}", context)
    with pytest.raises(Fatal, match=r"its config\.json") as broken:
        _ = embedder.space
    assert broken.value.code == "bad_checkpoint"


def test_names_and_identities_load_no_heavy_library() -> None:
    done = subprocess.run(program("stamp_models"), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
