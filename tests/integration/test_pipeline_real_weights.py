"""Spans leave no mark under real weights either: TransNetV2's windows and the decoder's seeks do not show."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.testbed.runs import (
    assert_complete,
    assert_covers,
    assert_same_rows,
    last_change,
    light_settings,
    published,
    run_events,
    stored_rows,
)
from stream.events.asset import AssetStatus
from stream.events.grid import SECOND_NS
from stream.pipelines.settings import ModelChoice


@pytest.mark.long
@pytest.mark.corpus
@pytest.mark.timeout(900)
def test_spans_are_invisible_with_real_weights(
    tmp_path: Path, cache_dir: Path, corpus_dir: Path, require_weights: Callable[..., None]
) -> None:
    require_weights("transnetv2", "efficientnet-lite0", "minilm", "open-nsfw")
    clip = corpus_dir / "derived" / "montage_h264.mp4"
    found = []
    for span_s in (10.0, 3600.0):
        settings = light_settings(tmp_path / f"{span_s:.0f}", clip, models=ModelChoice(), cache_dir=cache_dir)
        progress = run_events(replace(settings, max_span_s=span_s), [published(clip)])
        assert last_change(progress, str(clip)).status is AssetStatus.READY
        found.append(stored_rows(settings.state_dir))
    for rows in found[1:]:
        assert_same_rows(rows, found[0])
    ordered = found[0].ordered
    assert_covers(ordered, ordered[-1]["end_ns"])
    assert sum(row["starts_at_cut"] or row["ends_at_cut"] for row in ordered) >= 11
    for row in ordered:
        # A fade makes moments shorter than the distance of samples, and has no jump that adds one.
        assert_complete(row, aside_ns=SECOND_NS // 2)
