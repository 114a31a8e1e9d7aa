"""A hit with everything that may go wrong on the way to a page, a terminal or a file; and answers that hold hits."""

from stream.events.annotations import Space
from stream.events.grid import SECOND_NS
from stream.search.answer import SearchAnswer
from stream.search.freshness import AnswerFreshness
from stream.search.hit import Hit

HIT = Hit(
    asset_id="a",
    uri="/footage/=cmd <b>.mp4",
    tenant="t",
    project="p",
    start_ns=61 * SECOND_NS + SECOND_NS // 2,
    end_ns=63 * SECOND_NS,
    score=0.31,
    strength="weak",
    why="=SUM(A1) like <script>alert(1)</script>",
    caption="bus",
    caption_method="template",
    tags=(("school bus", 0.82),),
    labels=("show=news",),
    thumbnail=b"\xff\xd8jpeg",
)


def answer_of(*hits: Hit) -> SearchAnswer:
    space = Space(name="toy", digest="0" * 12, dimensions=1, spec="toy")
    return SearchAnswer(space, hits, AnswerFreshness(1.0, None, 0))
