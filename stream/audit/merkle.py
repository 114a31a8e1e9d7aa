"""The Merkle tree of RFC 9162, section 2.1, over entries in the order in which they were written (pure)."""

import hashlib
from dataclasses import dataclass, field

# RFC 9162 gives leaves and nodes different prefixes: otherwise a node could be shown as a leaf.
_LEAF, _NODE = b"\x00", b"\x01"
DIGEST_BYTES = 32


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
