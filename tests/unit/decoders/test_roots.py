"""Which places local paths may lie in, and what asking costs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from decoders.source import SourcePolicy, open_source
from stream.errors import BadMedia


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    (tmp_path / "secret.bin").write_bytes(b"secret")
    return folder


def test_a_link_in_the_place_of_a_root_widens_nothing(root: Path) -> None:
    """Roots are resolved when they are named, and never again."""
    inner = root / "inner"
    inner.mkdir()
    policy = SourcePolicy().with_roots(inner)
    inner.rmdir()
    inner.symlink_to(root.parent)
    with pytest.raises(BadMedia) as caught:
        open_source(str(inner / "secret.bin"), policy)
    assert caught.value.code == "outside_roots"


def test_a_root_may_be_named_through_a_link(root: Path) -> None:
    (root.parent / "linked").symlink_to(root)
    source = open_source(str(root / "a.bin"), SourcePolicy().with_roots(root.parent / "linked"))
    source.close()


class _Roots(frozenset[str]):
    """Counts how often it is asked, and may be asked nothing else."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("an open looks at every root")


def test_an_open_costs_as_much_as_its_path_is_deep(root: Path) -> None:
    many = _Roots([str(root / "a.bin"), *(f"/other/{number}" for number in range(20_000))])
    open_source(str(root / "a.bin"), SourcePolicy(roots=many)).close()
    assert 0 < many.asked <= 2 * (1 + len(root.parents) + 1)
