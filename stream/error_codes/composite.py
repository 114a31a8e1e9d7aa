"""Codes of the media operator `composite`: layers that cannot be drawn."""

from stream.error_codes.entry import bad_media

COMPOSITE = (
    bad_media(
        "bad_image",
        "A picture is no PNG, JPEG or WebP, is damaged, or is larger than is allowed.",
        "Give another picture; the message says what this one is.",
    ),
    bad_media(
        "bad_font",
        "A font file is no TrueType or OpenType font, or is damaged.",
        "Give a .ttf or .otf file with one font.",
    ),
    bad_media(
        "bad_captions",
        "A file of captions is no WebVTT, or a line of it is wrong.",
        "Correct the line that the message names.",
    ),
    bad_media(
        "missing_glyphs",
        "No font has all characters of a text; the message names those that are missing.",
        "Give a font that has them as an input of the stage, and name it in the layer's `fonts`.",
    ),
    bad_media(
        "text_does_not_fit",
        "A text or a QR code is larger than its box at its smallest size.",
        "Shorten it, allow a smaller size or more lines, or make the box larger.",
    ),
    bad_media(
        "outside_safe_area",
        "The ink of a text lies outside of the layer's area.",
        "Move it or make it smaller, choose another area, or set `outside: warn`.",
    ),
    bad_media(
        "footage_too_short",
        "Footage ends before the layer that shows it.",
        "Show it for less time, or set `when_shorter` to `loop` or `hold`.",
    ),
    bad_media(
        "unsupported_colours",
        "Footage has HDR or wide colours, which layers of SDR cannot be composed with.",
        "Convert it to SDR in BT.709 first.",
    ),
    bad_media(
        "no_sound",
        "An input whose sound is asked for holds none, or none that can be used.",
        "Give a file with sound, or leave the sound out: a package does with `sound: false`.",
    ),
    bad_media(
        "layers_too_large",
        "The layers that are seen at once take more memory than is allowed.",
        "Use fewer or smaller layers, or a smaller canvas.",
    ),
)
