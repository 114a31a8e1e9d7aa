"""Reasons for who asks over HTTP: of an upload they tell the name that its sender knows (pure)."""

import re

_UPLOAD = re.compile(r"uploads/(?P<stored>[0-9a-f]{32})/(?P<name>.+)", re.DOTALL)


def told_reason(asset_id: str | None, reason: str) -> str:
    """`reason` of an asset. Stages name what they read. Where an upload lies is the business of operators, who read it
    in `rushes dead-letters show`; its sender knows the file by its name.
    """
    upload = _UPLOAD.fullmatch(asset_id or "")
    if upload is None:
        return reason
    scheme = reason.find("://")
    if scheme < 0:
        return reason.replace(upload["stored"], upload["name"], 1)
    # To the colon after it, as a long address is cut off before the stored name.
    start, end = reason.rfind(" ", 0, scheme) + 1, reason.find(": ", scheme)
    return reason[:start] + upload["name"] + (reason[end:] if end >= 0 else "")
