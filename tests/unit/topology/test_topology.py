"""A topology is refused with every reason at once, or it has its pictures and its readers."""

from dataclasses import replace

import pytest

from stream.topology.stage import Operator, Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, DEAD_LETTERS, FRAMES, PROGRESS, SPANS
from stream.topology.topology import InvalidTopology, Topology


def never() -> Operator:
    raise AssertionError("a topology starts nothing")


def stage(name: str, sources: tuple[str, ...], targets: tuple[str, ...] = ()) -> Stage:
    return Stage(name=name, sources=sources, targets=targets, operator=never)


PLAN = stage("plan", (ASSETS.name,), (SPANS.name, PROGRESS.name))
DECODE = replace(stage("decode", (SPANS.name,), (FRAMES.name,)), concurrency=2, throttled_by=(FRAMES.name,))
SINK = replace(stage("sink", (FRAMES.name, DEAD_LETTERS.name)), max_replicas=1)
STAGES = (PLAN, DECODE, SINK)


def test_a_sound_topology_knows_its_topics_and_readers() -> None:
    topology = Topology(STAGES)
    assert [topic.name for topic in topology.topics] == ["assets", "spans", "frames", "progress", "dead-letters"]
    assert topology.readers(FRAMES.name) == (SINK,)
    assert topology.groups()["spans"] == ("decode",)
    assert topology.groups()["progress"] == ()
    assert topology.stage("decode") is DECODE
    with pytest.raises(KeyError, match="there are plan, decode, sink"):
        topology.stage("other")


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ((*STAGES, replace(SINK, name="plan")), "2 stages are named 'plan'"),
        ((PLAN, SINK, DECODE, stage("late", (ANNOTATIONS.name,))), "reads 'annotations', which nothing writes"),
        ((*STAGES, stage("odd", ("nowhere",))), "reads the unknown topic 'nowhere'"),
        ((*STAGES, stage("odd", (ASSETS.name,), ("nowhere",))), "unknown target topic 'nowhere'"),
        ((*STAGES, stage("odd", ())), "reads nothing"),
        ((PLAN, DECODE), "stage 'decode' writes 'frames', which nothing reads"),
        ((PLAN, DECODE, replace(SINK, concurrency=2)), "single writer"),
        ((PLAN, DECODE, replace(SINK, concurrency=0)), "has no worker"),
        ((PLAN, replace(DECODE, urgent_sources=(ASSETS.name,)), SINK), "serves assets first, which it does not read"),
        (
            (PLAN, replace(DECODE, in_turn=True, urgent_sources=(SPANS.name,)), SINK),
            "takes its records in turn: neither by admission nor by source",
        ),
        ((replace(PLAN, throttled_by=(PROGRESS.name,)), DECODE, SINK), "throttled by 'progress', which nothing reads"),
        ((replace(PLAN, throttled_by=("nowhere",)), DECODE, SINK), "throttled by 'nowhere', which nothing reads"),
        ((PLAN, replace(DECODE, throttled_by=(SPANS.name,)), SINK), "it would never resume"),
        ((*STAGES, stage("two", (ASSETS.name,), (ASSETS.name, ANNOTATIONS.name))), "is carried by both"),
    ],
)
def test_what_does_not_fit_is_refused(stages: tuple[Stage, ...], problem: str) -> None:
    with pytest.raises(InvalidTopology) as refused:
        Topology(stages)
    assert problem in str(refused.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidTopology) as refused:
        Topology((stage("a", ("nowhere",)), stage("b", ())))
    assert len(str(refused.value).splitlines()) == 2


def test_the_table_is_aligned() -> None:
    text = Topology(STAGES).to_text()
    assert text.splitlines() == [
        "stage   reads                 writes           workers  replicas   waits for",
        "plan    assets                spans, progress  1        any        -",
        "decode  spans                 frames           2        any        frames",
        "sink    frames, dead-letters  -                1        at most 1  -",
    ]


def test_the_diagram_has_every_edge() -> None:
    lines = Topology(STAGES).to_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    assert "  topic_dead_letters([dead-letters])" in lines
    edges = {line.strip() for line in lines if "-->" in line}
    assert edges == {
        "topic_assets --> stage_plan",
        "stage_plan --> topic_spans",
        "stage_plan --> topic_progress",
        "topic_spans --> stage_decode",
        "stage_decode --> topic_frames",
        "topic_frames --> stage_sink",
        "topic_dead_letters --> stage_sink",
    }
