"""Whatever befalls the processes, the broker, the disk and the store below jobs, they end as if nothing had.

`make chaos-jobs` does much more of the same.
"""

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.testbed.disks import SmallDisk, small_disk
from benchmarks.testbed.waiting import wait_for
from sinks.location import Location
from stream.broker.node.local import LocalNode, free_port
from stream.clock import SystemClock
from stream.jobs.register import JobRegister
from stream.jobs.reports import is_final
from stream.pipelines.jobs import JobPipeline
from stream.sessions.job_retention import Before, clean
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import EmbeddedJobs, command, scratch_within
from tests.support.brokers import kafka_jars, up
from tests.support.job_site import (
    PROJECT,
    TENANT,
    JobSite,
    delivered,
    manifests,
    mixed_settings,
    object_digests,
    submission,
)
from tests.support.media_examples import film_with_sound
from tests.support.s3_proxy import HANG, PASS, S3Proxy, Treatment, s3_proxy
from tests.support.s3_server import S3Server

pytestmark = pytest.mark.kafka
SEED = 11
FROZEN_S = 6.0
"""Longer than a session."""
CAMPAIGN = """
version: 1
name: campaign
seed: 5
assets: {film: source.mp4}
parameters: {mode: product, axes: {word: [WORDS], format: [{id: wide, w: 128, h: 64}, {id: tall, w: 64, h: 128}]}}
stages:
  - name: compose
    operator: composite
    inputs: {film: "asset:film"}
    settings:
      width: "${format.w}"
      height: "${format.h}"
      fps: 10
      duration: 3
      part_seconds: 1
      pixel_format: yuv420p
      layers: [{kind: video, input: film, when_shorter: loop}, {kind: text, text: "${word}"}]
  - {name: film, operator: transcode, inputs: {video: "stage:compose"}, settings: {profile: h264_web}}
  - {name: pack, operator: package, inputs: {video: "stage:film"}, settings: {sound: false, sprite_s: 1}}
finals: [film, compose/poster.png, pack]
"""
LONG = """
version: 1
name: long
assets: {film: source.mp4}
stages:
  - {name: film, operator: transcode, inputs: {video: "asset:film"}, settings: {profile: h264_web}}
finals: [film]
"""
TEXTS = """
version: 1
name: texts
parameters: {mode: product, axes: {word: [some, small, parts], end: [one, two]}}
stages:
  - {name: write, operator: write, settings: {text: "${word} of ${end}"}}
  - {name: spell, operator: spell, inputs: {text: "stage:write"}}
  - {name: filter, operator: fail, inputs: {text: "stage:spell"}, settings: {word: "p-a-r-t-s", how: words}}
finals: [filter, write]
"""
MODELS = """
version: 1
name: models
seed: 9
parameters: {mode: product, axes: {colour: [green, blue]}}
stages:
  - name: make
    operator: generate
    settings: {model: label-gan, prompt: "a painted ${colour} eye", frames: 20, part_frames: 10}
  - {name: large, operator: upscale, inputs: {video: "stage:make"}, settings: {part_frames: 2}}
  - {name: smooth, operator: interpolate, inputs: {video: "stage:make"}, settings: {fps: "50", part_frames: 12}}
finals: [large, smooth]
"""
TEMPLATES = {"campaign": CAMPAIGN, "long": LONG, "texts": TEXTS, "models": MODELS}


@dataclass(frozen=True, slots=True)
class Load:
    """`names`: of the jobs. `words`: pairs of variants of the campaign. `seconds`: of the long film. `blows`: how often
    each falls.
    """

    names: tuple[str, ...]
    words: int
    seconds: float
    blows: Mapping[str, int]
    lasting_s: float

    def write(self, folder: Path) -> list[Path]:
        film_with_sound(folder, seconds=self.seconds)
        words = ", ".join(f"word{number}" for number in range(self.words))
        for name in self.names:
            (folder / f"{name}.yaml").write_text(TEMPLATES[name].replace("WORDS", words))
        return [folder / f"{name}.yaml" for name in self.names]


SHORT = Load(
    ("campaign", "long", "texts"),
    1,
    21.0,
    {"kill": 3, "coordinator": 1, "freeze": 1, "restart": 1, "full disk": 1, "refusal": 1},
    1.0,
)
MUCH = Load(
    tuple(TEMPLATES),
    6,
    600.0,
    {"kill": 40, "coordinator": 10, "freeze": 3, "restart": 3, "full disk": 3, "refusal": 3, "silence": 2},
    10.0,
)


def undisturbed(folder: Path, templates: list[Path], finals: Path) -> JobPipeline:
    """The same jobs in this process."""
    names = [template.stem for template in templates]
    clock, settings = SystemClock(), mixed_settings(folder / "state")
    with scratch_within(settings) as held, EmbeddedJobs(held, clock) as session:
        for template in templates:
            session.publish([command(TENANT, PROJECT, submission(session.jobs, template, finals), clock.now_ms())])

        def ended() -> bool:
            found = [read_status(session.jobs, TENANT, name) for name in names]
            return all(status is not None and is_final(status) for status in found)

        session.run(threading.Event(), ended, lambda: None)
        return session.jobs


@dataclass
class Blows:
    """What befalls a site, drawn from a seed."""

    site: JobSite
    node: LocalNode
    disk: SmallDisk
    proxy: S3Proxy
    load: Load
    struck: Counter[str] = field(default_factory=Counter)

    def fall(self, rng: random.Random) -> None:
        blows = [blow for blow, times in self.load.blows.items() for _ in range(times)]
        rng.shuffle(blows)
        for blow in blows:
            threading.Event().wait(rng.uniform(0.3, 2.0))
            self._strike(blow, rng)
            self.struck[blow] += 1

    def _strike(self, blow: str, rng: random.Random) -> None:
        renderer = rng.choice(["first", "second"])
        match blow:
            case "kill":
                self.site.kill(renderer)
            case "coordinator":
                self.site.kill("coordinator")
            case "freeze":
                self.site.freeze(renderer, FROZEN_S)
            case "restart":
                self.node.down(signal.SIGKILL)
                self.node.up(kafka_jars())
            case "full disk":
                self._felt("the folder for temporary files", self.disk.fill)
                self.disk.make_room()
            case "refusal":
                self._felt("it answers 503", lambda: self.proxy.treat(Treatment("SlowDown", 503)))
                self.proxy.treat(Treatment(PASS))
            case "silence":
                self.proxy.treat(Treatment(HANG))
                threading.Event().wait(self.load.lasting_s)
                self.proxy.treat(Treatment(PASS))

    def over(self) -> bool:
        return all(is_final(self.site.status(name)) for name in self.load.names)

    def _felt(self, words: str, begin: Callable[[], object]) -> None:
        """Until a worker has paused for it, and then for as long again as it lasts."""
        # Counted before it begins: a worker may pause at once, and says so only once.
        before = self.site.said().count(words)
        begin()
        wait_for(
            lambda: self.site.said().count(words) > before or self.over(), f"somebody says {words!r}", within_s=300.0
        )
        threading.Event().wait(self.load.lasting_s)


@pytest.fixture
def proxy(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    with s3_proxy(running_s3.endpoint) as made:
        # This process looks past the proxy.
        for name, value in running_s3.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "load", [SHORT, pytest.param(MUCH, marks=[pytest.mark.long, pytest.mark.weights])], ids=["short", "much"]
)
def test_whatever_befalls_them_jobs_end_as_if_nothing_had(
    tmp_path: Path, running_s3: S3Server, proxy: S3Proxy, load: Load, record_property: Callable[[str, object], None]
) -> None:
    templates, finals = load.write(tmp_path), tmp_path / "finals"
    calm = undisturbed(tmp_path / "calm", templates, finals)
    finals.rename(tmp_path / "calm-finals")
    bucket = f"jobs-{tmp_path.name.replace('_', '-')}"[:60]
    running_s3.make_bucket(bucket)
    node = LocalNode(tmp_path / "kafka", SystemClock(), port=free_port())
    with ExitStack() as held:
        held.callback(node.down)
        servers = up(node)
        (tmp_path / "state/jobs").mkdir(parents=True)
        disk = held.enter_context(small_disk(tmp_path / "state/jobs/scratch", 512))
        site = JobSite(
            servers, tmp_path, Location.of(f"s3://{bucket}/jobs"), finals, {"AWS_ENDPOINT_URL": proxy.endpoint}
        )
        held.callback(site.close)
        for name, stage in (("coordinator", "coordinate"), ("first", "render"), ("second", "render")):
            site.start(name, stage)
        for template in templates:
            site.submit(template)
        blows = Blows(site, node, disk, proxy, load)
        wait_for(lambda: site.computed(load.names) > 3, "work has begun", within_s=120.0)
        blows.fall(random.Random(SEED))
        found = {name: site.wait_for_end(name) for name in load.names}
        assert site.ended_by_themselves() == [], site.said()
        for name in load.names:
            wanted = read_status(calm, TENANT, name) or {}
            assert [found[name][each] for each in ("state", "done", "failed")] == [
                wanted[each] for each in ("state", "done", "failed")
            ], site.said()
            assert manifests(site.jobs, name) == manifests(calm, name)
        assert delivered(finals) == delivered(tmp_path / "calm-finals")
        parts = sum(int((read_status(calm, TENANT, name) or {})["cost"]["tasks_computed"]) for name in load.names)
        again = site.computed(load.names) - parts
        # A renderer has one part at a time, of which nothing is told where it is killed. A frozen one finishes its own.
        killed, others = blows.struck["kill"], sum(blows.struck.values()) - blows.struck["kill"]
        assert again <= 2 * others
        share = (killed + max(0, again)) / parts
        record_property("figure", f"jobs under {dict(blows.struck)}: at most {share:.1%} of {parts} parts were lost")
        # Perhaps twice, and then in the same words under the same id.
        told = set(site.told())
        assert sorted(words.job for _, words in told) == sorted(load.names)
        after = Before(SystemClock().now_ms() + 600_000, SystemClock().now_ms() + 600_000)
        clean(site.jobs, TENANT, after)
        clean(calm, TENANT, after)
        assert sorted(object_digests(site.jobs)) == sorted(object_digests(calm))
    register = JobRegister(site.settings.register, readonly=True)
    assert register.all("SELECT * FROM task") == register.all("SELECT * FROM need") == []
    register.close()
