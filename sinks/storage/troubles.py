"""What is wrong with an object store, by the words of those who asked it (pure): what a person can do about it."""

import re
from dataclasses import dataclass

_SERVER = re.compile(r"status code: (5\d\d|429)|\b(5\d\d) (internal|bad gateway|service|gateway)")


@dataclass(frozen=True, slots=True)
class _Names:
    """What a kind of object store calls its things, and the variables that name them."""

    bucket: str
    credentials: str
    address: str
    plain: str


_OF_SCHEMES = {
    "s3": _Names(
        bucket="bucket",
        credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
        address="AWS_ENDPOINT_URL",
        plain="only AWS_ALLOW_HTTP=true allows",
    ),
    "az": _Names(
        bucket="container",
        credentials="AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or a client that AZURE_* names",
        address="AZURE_STORAGE_ACCOUNT_NAME or AZURE_STORAGE_ENDPOINT",
        plain="only AZURE_ALLOW_HTTP=true allows",
    ),
    "gs": _Names(
        bucket="bucket",
        credentials="GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
        address="that of Google",
        plain="nothing allows there",
    ),
}

_BUCKET = (
    *("nosuchbucket", "specified bucket does not exist"),
    # Azure's, of an account that is not there too.
    *("containernotfound", "containerbeingdeleted", "<code>resourcenotfound"),
)
_REFUSED = (
    *("invalidaccesskeyid", "signaturedoesnotmatch", "invalidtoken", "expiredtoken", "401 unauthorized"),
    *("authenticationfailed", "server failed to authenticate", "invalidauthenticationinfo", "invalid access key"),
)
_NOBODY = (
    *("169.254.169.254", "no credentials", "failed to load credentials", "credentialsnotloaded"),
    *("account must be specified", "no storage account configured", "metadata.google.internal"),
)
_DENIED = ("accessdenied", "403 forbidden", "necessary privileges")
_PLAIN = ("badscheme", "url scheme is not allowed", "builder error")
_LATE = ("timed out",)
_UNREACHED = (
    *("connection refused", "dns error", "connecterror", "error trying to connect", "connection reset"),
    *("connection closed", "error sending request", "incompletemessage", "broken pipe"),
)


def trouble(text: str, scheme: str) -> str | None:
    """Why, in words; None where the text tells of no trouble with the object store itself. `scheme` is that of the
    store's location.
    """
    text, names = text.lower(), _OF_SCHEMES[scheme]
    if found := _SERVER.search(text):
        return f"the object store fails or is overloaded (it answers {found[1] or found[2]})"
    said = {
        _BUCKET: f"its {names.bucket} does not exist: make it, or name another",
        _REFUSED: f"the object store does not accept the credentials: correct {names.credentials}",
        _NOBODY: f"there are no credentials: set {names.credentials}",
        _DENIED: "the object store denies access: its credentials have to read, write, list and delete there",
        _PLAIN: f"its address is http, which {names.plain}",
        _LATE: "the object store did not answer in time",
        _UNREACHED: f"the object store cannot be reached: see the network, and its address ({names.address})",
    }
    return next((words for signs, words in said.items() if any(sign in text for sign in signs)), None)
