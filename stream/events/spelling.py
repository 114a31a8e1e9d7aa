"""One spelling for each uri (pure): what names the same thing to everybody is one asset.

Nothing is looked up. `..` in a path stays, for what it leads to depends on links; a command line takes it away before
it makes an event (`stream.cli.options.uris`). A path and a `file` uri of it stay two spellings: ids in stores are made
of both.
"""

import re

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(.*)", re.DOTALL)


def canonical(uri: str) -> str:
    """The uri without what makes no difference: doubled slashes and `.` in a path; in a URL the case of scheme and
    host, a port that is the scheme's own, and the dots of a web address (RFC 3986, 6.2.2 and 6.2.3).
    """
    found = _URI.fullmatch(uri)
    if found is None:
        return uri if "://" in uri else _path(uri)
    scheme, authority, path, rest = found[1].lower(), found[2], found[3], found[4]
    if scheme == "file":
        local = "" if authority.lower() == "localhost" else authority
        return f"file://{local}{_path(path)}{rest}"
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
    """RFC 3986, 5.2.4: a server is asked for what is left."""
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
