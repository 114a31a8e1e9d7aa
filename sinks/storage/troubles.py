"""What is wrong with an object store, by the words of those who asked it (pure): what a person can do about it."""

import re

_SERVER = re.compile(r"status code: (5\d\d|429)|\b(5\d\d) (internal|bad gateway|service|gateway)")

_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
_BUCKET = ("nosuchbucket", "specified bucket does not exist")
_REFUSED = ("invalidaccesskeyid", "signaturedoesnotmatch", "invalidtoken", "expiredtoken", "401 unauthorized")
_NOBODY = ("169.254.169.254", "no credentials", "failed to load credentials", "credentialsnotloaded")
_DENIED = ("accessdenied", "403 forbidden", "necessary privileges")
_PLAIN = ("badscheme", "url scheme is not allowed", "builder error")
_LATE = ("timed out",)
_UNREACHED = ("connection refused", "dns error", "connecterror", "error trying to connect", "connection reset")
_CUT = ("connection closed", "error sending request", "incompletemessage", "broken pipe")

_SAID: tuple[tuple[tuple[str, ...], str], ...] = (
    (_BUCKET, "its bucket does not exist: make it, or name another"),
    (_REFUSED, f"the object store does not accept the credentials: correct {_CREDENTIALS}"),
    (_NOBODY, f"there are no credentials: set {_CREDENTIALS}"),
    (_DENIED, "the object store denies access: its credentials have to read, write, list and delete there"),
    (_PLAIN, "its address is http, which only AWS_ALLOW_HTTP=true allows"),
    (_LATE, "the object store did not answer in time"),
    ((*_UNREACHED, *_CUT), "the object store cannot be reached: see the network, and its address (AWS_ENDPOINT_URL)"),
)


def trouble(text: str) -> str | None:
    """Why, in words; None where the text tells of no trouble with the object store itself."""
    text = text.lower()
    if found := _SERVER.search(text):
        return f"the object store fails or is overloaded (it answers {found[1] or found[2]})"
    return next((words for signs, words in _SAID if any(sign in text for sign in signs)), None)
