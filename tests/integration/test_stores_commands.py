"""`rushes stores`: what a person sees of shards, and dividing stores by command."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sinks.layout import Layout
from sinks.maintenance.verify import verify
from stream.cli.app import app
from stream.cli.context import UsageProblem
from stream.errors import Unavailable
from stream.sessions.state_lock import state_lock
from tests.integration.test_sinks_sharded import ASSETS, FAMILIES, batch_of, opened

PLACES = {"lance": "lancedb", "delta": "parquet"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name, family in FAMILIES.items():
        with opened(family(tmp_path / PLACES[name])) as sink:
            list(sink.process(batch_of(*ASSETS)))
    return tmp_path


def rushes(state: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["--state", str(state), *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_both_stores_are_divided_and_shown(state: Path) -> None:
    assert "0 of 1" in rushes(state, "stores", "show")
    said = rushes(state, "stores", "reshard", "3")
    assert "index is divided into 3 shard(s)." in said
    assert "parquet is divided into 3 shard(s)." in said
    shown = json.loads(rushes(state, "stores", "show", "--json"))
    assert {name: [shard["cells"] for shard in shards] for name, shards in shown.items()} == {
        name: [len(held) for held in _held()] for name in ("index", "parquet")
    }
    assert all(shard["bytes"] > 1000 and Path(shard["place"]).is_dir() for shard in shown["index"] if shard["cells"])
    assert verify(state / "lancedb", state / "parquet").agrees
    assert "index had 3 shard(s)." in rushes(state, "stores", "reshard", "3")


def _held() -> list[list[str]]:
    layout = Layout(Layout.of("anywhere").root, 3)
    return [[name for name in ASSETS if layout.shard_of("acme", name) == number] for number in range(3)]


def test_one_store_alone_may_be_divided(state: Path) -> None:
    rushes(state, "stores", "reshard", "2", "--parquet")
    assert [Layout.of(state / name).shards for name in PLACES.values()] == [1, 2]
    rushes(state, "stores", "reshard", "4", "--index")
    assert [Layout.of(state / name).shards for name in PLACES.values()] == [4, 2]
    rushes(state, "verify")
    rushes(state, "compact")


def test_what_cannot_be_divided_is_refused_with_words(state: Path) -> None:
    with pytest.raises(UsageProblem, match="does not exist"):
        rushes(state / "elsewhere", "stores", "reshard", "2")
    with state_lock(state), pytest.raises(Unavailable, match="another rushes process"):
        rushes(state, "stores", "reshard", "2")
    with opened(FAMILIES["delta"](state / "parquet")), pytest.raises(Unavailable, match="another writer"):
        rushes(state, "stores", "reshard", "2", "--parquet")


def test_divided_stores_are_adopted_when_no_shard_has_a_writer(state: Path) -> None:
    rushes(state, "stores", "reshard", "2")
    kept = FAMILIES["delta"](Layout.of(state / "parquet").places[1])
    with opened(kept), pytest.raises(Unavailable, match="another writer"):
        rushes(state, "--deployment", "night", "adopt")
    assert "'night'" in rushes(state, "--deployment", "night", "adopt")
