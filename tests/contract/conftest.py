"""Every broker of `tests.support.brokers.REGISTRY` with fresh topics."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.brokers import REGISTRY
from tests.support.topics_of_own import SINGLE, SMALL, Bench, names


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.kafka] * (name == "kafka")) for name in sorted(REGISTRY)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with REGISTRY[request.param]() as broker:
        run = next(names)
        topics = [replace(spec, name=f"{spec.name}-{run}") for spec in (SMALL, SINGLE)]
        broker.ensure(topics)
        yield Bench(broker, topics[0].name, topics[1].name, f"group-{run}")
