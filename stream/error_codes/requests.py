"""Codes of what search is asked."""

from stream.error_codes.entry import bad_request

REQUESTS = (
    bad_request("blank_query", "The words to search for are blank.", "Say what to look for."),
    bad_request("long_query", "The words to search for are a whole text.", "Ask with fewer words."),
    bad_request("bad_limit", "The request asks for less than one hit.", "Ask for one hit or more."),
    bad_request(
        "empty_time_range",
        "The range of time ends before it begins.",
        "Swap its two ends, or leave one of them out.",
    ),
    bad_request("empty_index", "The index holds nothing yet.", "Ingest footage first."),
    bad_request(
        "unknown_space",
        "No space, or more than one, has this name.",
        "Take a key from `rushes spaces list`.",
    ),
    bad_request(
        "no_vectors",
        "A picture or a moment is searched for in footage in which nobody looked for vectors.",
        "Ask with words, or ingest the footage again with vectors among `--models`.",
    ),
    bad_request(
        "unknown_moment",
        "No moment that search shows has this id.",
        "Take the id from another answer: a moment goes when its asset changes or is deleted.",
    ),
    bad_request(
        "space_changed",
        "The weights at hand are not those that made the space.",
        "Ingest again with the present weights, or put the former ones back.",
    ),
    bad_request(
        "choice_not_kept",
        "The file that says which space search uses cannot be written.",
        "Make room or correct the rights of the state directory, and choose again.",
    ),
)
