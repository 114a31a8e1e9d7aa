"""The 26 styles of the network, in its order. It came without names: these say what a picture looks like in them."""

from collections.abc import Mapping

STYLES = (
    "beach-chalk",
    "yellow-ink",
    "charcoal-wash",
    "neon-strokes",
    "red-and-gold",
    "autumn-oil",
    "violet-spots",
    "primary-night",
    "pastel-lines",
    "block-print",
    "sepia-dusk",
    "gold-etching",
    "morning-haze",
    "green-canvas",
    "pale-blue",
    "stained-glass",
    "blue-crayon",
    "orange-lattice",
    "woodcut",
    "blue-night",
    "red-ember",
    "paper-cut",
    "tempera",
    "soft-dark",
    "aged-print",
    "rough-mosaic",
)


def weights(styles: Mapping[str, float]) -> list[float]:
    """For each of `STYLES`, its share of a blend; together 1."""
    whole = sum(styles.values())
    return [styles.get(name, 0.0) / whole for name in STYLES]
