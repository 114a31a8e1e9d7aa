"""What content credentials say of where a final comes from."""

import pytest

from stream.jobs.origins import origin_of

LOGO, MADE, LAST, OTHER = (f"sha256:{digit * 64}" for digit in "1234")
ASSETS = {"logo": {"digest": LOGO, "name": "logo.png"}, "unused": {"digest": OTHER, "name": "other.png"}}


def stages(first: str, last: str, taken: str | None) -> list[dict[str, object]]:
    return [
        {"operator": "generate", "inputs": {}, "outputs": {"aside.png": OTHER}},
        {"operator": first, "inputs": {"a": taken} if taken else {}, "outputs": {"made.mkv": MADE}},
        {"operator": last, "inputs": {"video": MADE}, "outputs": {"last.mp4": LAST}},
    ]


@pytest.mark.parametrize(
    ("first", "last", "taken", "source_type"),
    [
        ("composite", "transcode", LOGO, "composite"),
        ("composite", "transcode", None, "composite"),
        ("generate", "transcode", None, "trainedAlgorithmicMedia"),
        ("generate", "composite", None, "compositeWithTrainedAlgorithmicMedia"),
        ("restyle", "transcode", LOGO, "compositeWithTrainedAlgorithmicMedia"),
        ("generate", "decode-latents", None, "trainedAlgorithmicMedia"),
        ("upscale", "transcode", LOGO, "algorithmicallyEnhanced"),
        ("transcode", "transcode", LOGO, None),
    ],
)
def test_the_source_is_named_by_the_stages_that_led_to_a_final(
    first: str, last: str, taken: str | None, source_type: str | None
) -> None:
    found = origin_of({"stages": stages(first, last, taken), "assets": ASSETS}, LAST)
    # The stage beside it, which generates, has no part in it.
    assert found.source_type == source_type
    assert [each.name for each in found.ingredients] == (["logo"] if taken else [])
