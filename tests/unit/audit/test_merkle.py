"""The tree against known roots of RFC 9162's predecessor, and proofs that hold for nothing else."""

import itertools

import pytest

from stream.audit.merkle import (
    Tree,
    consistency_proof,
    continues,
    includes,
    inclusion_proof,
    leaf_digest,
    root_of,
)

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Those that implementations of certificate transparency share, by the number of entries."""
MANY = [leaf_digest(bytes([number])) for number in range(20)]


def test_roots_are_those_of_the_standard() -> None:
    tree = Tree()
    found = [tree.root().hex()]
    for entry in ENTRIES:
        tree.append(entry)
        found.append(tree.root().hex())
    assert found == ROOTS
    assert [root_of(list(map(leaf_digest, ENTRIES[:size]))).hex() for size in range(9)] == ROOTS


@pytest.mark.parametrize("size", range(1, 21))
def test_an_entry_is_shown_where_it_is_and_nowhere_else(size: int) -> None:
    leaves, root = MANY[:size], root_of(MANY[:size])
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert includes(bytes([index]), index, size, root, proof)
        assert not includes(bytes([index + 1]), index, size, root, proof)
        assert not includes(bytes([index]), index, size, leaf_digest(b"another root"), proof)
        assert not includes(bytes([index]), index, size, root, [*proof, root])
        assert not any(includes(bytes([index]), other, size, root, proof) for other in range(size) if other != index)
        assert not any(
            includes(bytes([index]), index, size, root, [*proof[:at], leaf_digest(b"x"), *proof[at + 1 :]])
            for at in range(len(proof))
        )


def test_a_tree_is_shown_to_be_the_beginning_of_another() -> None:
    for size, new_size in itertools.combinations_with_replacement(range(1, 21), 2):
        proof = consistency_proof(MANY[:new_size], size)
        old, new = root_of(MANY[:size]), root_of(MANY[:new_size])
        assert continues(size, old, new_size, new, proof)
        changed = root_of([leaf_digest(b"changed"), *MANY[1:size]])
        assert not continues(size, changed, new_size, new, proof)
        assert not continues(size, old, new_size, root_of([*MANY[: new_size - 1], leaf_digest(b"changed")]), proof)
        assert not continues(size, old, new_size, new, [*proof, old])
        assert size == new_size or not continues(size, old, new_size, new, proof[:-1])


def test_what_is_not_there_has_no_proof() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(MANY, 20)
    for size in (0, 21):
        with pytest.raises(IndexError):
            consistency_proof(MANY, size)
    assert not includes(b"", 1, 1, root_of(MANY[:1]), [])
    assert not continues(0, root_of([]), 2, root_of(MANY[:2]), [])
    assert not includes(bytes([0]), 0, 20, root_of(MANY), [MANY[0]] * 65)
