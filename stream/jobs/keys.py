"""What decides the bytes of a result, as one digest. The same key is never computed twice (see BuildStream, Bazel)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import rfc8785
from pydantic import JsonValue, StringConstraints

from stream.events.objects import Digest

ENGINE = 1
"""Raised when the same key would give another result for a reason that lies in no operator."""
Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785): equal values give equal bytes. Raises `ValueError` for what JSON cannot hold."""
    return rfc8785.dumps(value)


def stage_key(
    operator: str,
    version: int,
    settings: Mapping[str, JsonValue],
    inputs: Mapping[str, Digest],
    *,
    seed: int,
    toolchain: Mapping[str, str],
) -> Key:
    """The key of one stage of a variant. `settings` with every default filled in; `inputs` by name; `toolchain`:
    builds, threads, weights and the class of instruction sets. Neither job nor variant is in it: equal work is done
    once.
    """
    return digest_key(
        "stage",
        {
            "engine": ENGINE,
            "operator": operator,
            "version": version,
            "settings": dict(settings),
            "inputs": dict(inputs),
            "seed": seed,
            "toolchain": dict(toolchain),
        },
    )


def divide_key(stage: Key) -> Key:
    """Of finding out the parts of a stage."""
    return digest_key("divide", {"stage": stage})


def part_key(stage: Key, part: Mapping[str, JsonValue] | None) -> Key:
    """Of one part, or with None of a stage that is done as a whole."""
    return digest_key("part", {"stage": stage, "part": None if part is None else dict(part)})


def join_key(stage: Key, parts: Sequence[Mapping[str, Digest]]) -> Key:
    """Of joining the outputs of all parts: their digests are in it, so parts that were made anew are joined anew."""
    return digest_key("join", {"stage": stage, "parts": [dict(part) for part in parts]})


def digest_key(kind: str, facts: Mapping[str, Any]) -> Key:
    """The key of any work, by its kind and what decides it."""
    # The kind first, apart from the facts: no key of one kind is ever one of another.
    return hashlib.sha256(f"rushes {kind} key\n".encode() + canonical(facts)).hexdigest()
