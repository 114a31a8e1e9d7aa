"""The Merkle tree of RFC 9162, section 2.1, over entries in the order in which they were written (pure)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

# RFC 9162 gives leaves and nodes different prefixes: otherwise a node could be shown as a leaf.
_LEAF, _NODE = b"\x00", b"\x01"
DIGEST_BYTES = 32
MOST_PROOF = 64
"""Digests of a proof for any tree that can be: a longer proof is refused before anything is computed."""


def leaf_digest(entry: bytes) -> bytes:
    """32 bytes."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Of two digests, 32 bytes."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(slots=True)
class Tree:
    """Grows by one leaf at a time. It holds the roots of its largest complete subtrees: one for each bit of `size`."""

    size: int = 0
    subtrees: list[bytes] = field(default_factory=list)

    def append(self, entry: bytes) -> None:
        digest = leaf_digest(entry)
        # Each trailing 1 bit of the size is a complete subtree of the size of the new one: they become one.
        size = self.size
        while size & 1:
            digest = node_digest(self.subtrees.pop(), digest)
            size >>= 1
        self.subtrees.append(digest)
        self.size += 1

    def root(self) -> bytes:
        """32 bytes; of an empty tree, the digest of nothing."""
        if not self.subtrees:
            return hashlib.sha256().digest()
        digest = self.subtrees[-1]
        for subtree in reversed(self.subtrees[:-1]):
            digest = node_digest(subtree, digest)
        return digest

    def copy(self) -> "Tree":
        return Tree(self.size, list(self.subtrees))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Of digests of leaves."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return node_digest(root_of(leaves[:split]), root_of(leaves[split:]))


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """That leaf `index` is in the tree of these digests of leaves. Raises `IndexError` for a leaf that is not there."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """That the tree of the first `size` of these digests of leaves is the beginning of the tree of all. Raises
    `IndexError` for a size that is not between 1 and their number.
    """
    if not 0 < size <= len(leaves):
        raise IndexError(size)
    return _subproof(leaves, size, known=True)


def includes(entry: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that `entry` is leaf `index` of the tree of `size` with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(proof) > MOST_PROOF:
        return False
    node, last, digest = index, size - 1, leaf_digest(entry)
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            digest = node_digest(sibling, digest)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            digest = node_digest(digest, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and digest == root


def continues(size: int, root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `size` is the beginning of that of `new_size` (RFC 9162, 2.1.4.2)."""
    if not 0 < size <= new_size or len(proof) > MOST_PROOF:
        return False
    if size == new_size:
        return not proof and root == new_root
    # RFC 9162: where the old size is a power of two, its root is a node of the new tree and left out of the proof.
    path = [root, *proof] if size & (size - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_digest(sibling, old), node_digest(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_digest(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == root and new == new_root


def _subproof(leaves: Sequence[bytes], size: int, *, known: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if known else [root_of(leaves)]
    split = _split(len(leaves))
    if size <= split:
        return [*_subproof(leaves[:split], size, known=known), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], size - split, known=False), root_of(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
