"""One spelling for each uri, so that two names of the same thing are one asset. Pure.

It looks nothing up. `..` in a path stays, because links decide where it leads; the command line resolves it before it
makes an event (`stream.cli.options.uris`). A path and its `file` uri stay two spellings, because stores hold ids made
of both.
"""

import re

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(.*)", re.DOTALL)


def canonical(uri: str) -> str:
    """The uri without differences that do not matter: doubled slashes and `.` in a path; in a URL the case of scheme
    and host, the scheme's default port, and dot segments of a web address (RFC 3986, 6.2.2 and 6.2.3).
    """
    found = _URI.fullmatch(uri)
    if found is None:
        return uri if "://" in uri else _path(uri)
    scheme, authority, path, rest = found[1].lower(), found[2], found[3], found[4]
    if scheme == "file":
        local = "" if authority.lower() == "localhost" else authority
        return f"file://{local}{_path(path)}{rest}"
    # Only web servers treat dot segments alike: in the key of an object they are ordinary characters.
    if scheme not in _DEFAULT_PORTS:
        return f"{scheme}://{authority}{path}{rest}"
    return f"{scheme}://{_authority(authority, _DEFAULT_PORTS[scheme])}{_without_dots(path)}{rest}"


def _path(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def _authority(authority: str, default_port: str) -> str:
    user, at, place = authority.rpartition("@")
    host, colon, port = place.rpartition(":")
    if colon and (not port or port.isdecimal()):
        own = port.lstrip("0") in ("", default_port)
        place = host if own else f"{host}:{port}"
    return f"{user}{at}{place.lower()}"


def _without_dots(path: str) -> str:
    """Removes dot segments (RFC 3986, 5.2.4): a server is asked for the rest."""
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts and parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
