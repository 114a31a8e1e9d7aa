"""Manifests: what they say of a run, and that no byte of one can be changed unseen."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stream.errors import BadRequest
from stream.events.jobs import TaskAsked
from stream.jobs.manifest import Delivered, RunFacts, delivered_of, opened, signed, statement_of

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
WEIGHTS, INPUT, ONE, TWO, INSIDE = (f"sha256:{digit * 64}" for digit in "12345")


def task() -> TaskAsked:
    final = {"digest": ONE, "size": 1, "media_type": "video/mp4"}
    return TaskAsked(
        job="spring",
        variant="0" * 16,
        kind="deliver",
        key="a" * 64,
        stage_key="a" * 64,
        stage="deliver",
        operator="deliver",
        settings={
            "spec": TWO,
            "to": "",
            "name": "red",
            "row": {"word": "red"},
            "finals": [{"stage": "cut", "name": "film.mp4", **final}, {"stage": "web", "name": "film.mp4", **final}],
            "stages": [
                {"name": "cut", "operator": "generate", "inputs": {"text": INPUT}, "toolchain": {"weights": WEIGHTS}}
            ],
            "cost": {"cpu_s": 1.5},
            "started_ms": 1_700_000_000_000,
        },
    )


def test_any_changed_byte_of_a_signed_manifest_is_found() -> None:
    envelope = signed(statement_of(task(), RunFacts("1.0", 1_700_000_001_000, key=KEY)), KEY)
    assert opened(envelope, KEY.public_key())["subject"][0]["name"] == "cut/film.mp4"
    for place in range(len(envelope)):
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(BadRequest, match=r"cannot be used: (it is|this key)"):
            opened(bytes(changed), KEY.public_key())


def test_a_manifest_without_a_signature_says_so_and_is_not_taken_for_signed() -> None:
    statement = statement_of(task(), RunFacts("1.0", 0))
    assert statement["predicate"]["runDetails"]["signing"]["manifest"].startswith("none: this deployment has no key")
    envelope = signed(statement, None)
    assert opened(envelope) == json.loads(json.dumps(statement))
    with pytest.raises(BadRequest, match="it is not signed"):
        opened(envelope, KEY.public_key())
    with pytest.raises(BadRequest, match="this key did not sign it"):
        opened(signed(statement, KEY), Ed25519PrivateKey.from_private_bytes(b"l" * 32).public_key())


def test_what_made_the_finals_stands_in_it() -> None:
    extra = Delivered("cut-film.mp4", INSIDE, "video/mp4", "cut/film.mp4", "c2pa")
    beside = Delivered("web-film.mp4.c2pa", TWO, "application/c2pa", "web/film.mp4", "c2pa-sidecar")
    run = RunFacts("1.0", 1_700_000_001_000, image=WEIGHTS, key=KEY, extra=(extra, beside))
    predicate = statement_of(task(), run)["predicate"]
    named = {"name": "generate/weights", "digest": {"sha256": "1" * 64}}
    assert predicate["buildDefinition"]["resolvedDependencies"] == [named, {"digest": {"sha256": "2" * 64}}]
    details = predicate["runDetails"]
    assert details["metadata"]["startedOn"] == "2023-11-14T22:13:20.000Z"
    assert details["metadata"]["finishedOn"] == "2023-11-14T22:13:21.000Z"
    assert details["builder"]["builderDependencies"] == [{"name": "image", "digest": {"sha256": "1" * 64}}]
    # A final with credentials inside takes the place of the one without; a sidecar lies beside.
    delivered = delivered_of(opened(signed(statement_of(task(), run), KEY)))
    assert [(each.name, each.digest) for each in delivered] == [
        ("cut-film.mp4", INSIDE),
        ("web-film.mp4", ONE),
        ("web-film.mp4.c2pa", TWO),
    ]
