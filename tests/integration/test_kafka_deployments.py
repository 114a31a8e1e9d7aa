"""Two deployments on one cluster have nothing in common; a second one under the same name is refused with words."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, stored_rows
from stream.cli.commands.adopt import adopt_on_cluster
from stream.errors import Fatal
from stream.events.asset import AssetPublished, AssetStatus
from stream.events.base import Event
from stream.pipelines.settings import ModelChoice
from tests.support.deployed import CLOCK, Site

pytestmark = pytest.mark.kafka


def clip(folder: Path, name: str, seconds: int = 12) -> Event:
    path = folder / f"{name}.mp4"
    write_clip(path, seconds=seconds, fps=5, size=(64, 48))
    return Event(AssetPublished(uri=str(path), asset_id=name), "t", "p", name, CLOCK.now_ms())


def site_of(name: str, folder: Path, state: str = "state") -> Site:
    return Site(name, light_settings(folder / state, folder, deployment=name))


def test_two_deployments_share_nothing(tmp_path: Path) -> None:
    one, other = site_of("one", tmp_path, "a"), site_of("other", tmp_path, "b")
    both = ((one, "first"), (other, "second"))
    with one.running("plan"), other.running("plan"):
        for site, name in both:
            site.publish(clip(tmp_path, name))
            site.wait_for_backlog("spans", "decode", stage="plan")
    for site, name in both:
        tail = site.broker.tail("assets", from_start=True)
        assert [record.key for record in tail.poll(10, 5.0)] == [name.encode()]
        tail.close()
        assert site.broker.backlog("spans", "decode").records == 1
        assert f"{site.names.deployment}.assets" in site.broker.nodes().topics
        site.broker.close()


def test_the_same_name_with_other_stores_is_refused_until_they_are_adopted(tmp_path: Path) -> None:
    site = site_of("twice", tmp_path)
    intruder = replace(site.settings, state_dir=tmp_path / "elsewhere")
    second = pytest.raises(Fatal, match=r"its stores at .*/state .*--deployment NAME.*rushes adopt")
    with site.running("index"):
        for stage in ("plan", "index", "parquet", "dead-letters"):
            with second as refused, site.running(stage, settings=intruder):
                pass
            assert refused.value.code == "other_stores"
        with site.running("decode", settings=intruder):  # it opens no store
            pass
        with pytest.raises(Fatal, match="workers of index") as busy:
            adopt_on_cluster(intruder, site.broker, CLOCK)
        assert busy.value.code == "stores_in_use"
    adopt_on_cluster(intruder, site.broker, CLOCK)
    with site.running("index", settings=intruder):
        pass
    with pytest.raises(Fatal, match="elsewhere"), site.running("index"):
        pass
    site.broker.close()


def test_other_models_need_a_later_roll_out_and_every_asset_ends_whole_in_one_space(tmp_path: Path) -> None:
    site = site_of("roll", tmp_path)
    other = replace(site.settings, models=replace(ModelChoice.light(), embedder="tests.support.other_space:OtherSpace"))
    with site.running("index", "parquet", "dead-letters"):
        with site.running("plan", "decode", "understand"):
            assert site.ingest(clip(tmp_path, "before")) == {"before": AssetStatus.READY}
            beside = pytest.raises(Fatal, match=r"in roll-out 0, this process .* in roll-out 0")
            with beside as refused, site.running("understand", settings=other):
                pass
            assert refused.value.code == "other_models"
        with site.running("plan"):  # planned by the former roll-out, done by the later
            site.publish(clip(tmp_path, "during", 32))
            site.wait_for_backlog("spans", "decode", stage="plan")
        with site.running("decode", "understand", "plan", settings=other, epoch_ms=5):
            assert site.ingest(clip(tmp_path, "after")) == {"after": AssetStatus.READY}
            site.settle()
        with pytest.raises(Fatal, match="later --epoch-ms"), site.running("understand"):
            pass
    spaces: dict[str, set[str]] = {}
    for row in stored_rows(site.settings.state_dir).lance.values():
        spaces.setdefault(row["asset_id"], set()).add(row["space"].partition("_")[0])
    assert spaces == {"before": {"hashing"}, "during": {"other"}, "after": {"other"}}
    site.broker.close()
