"""Codes of the audit trail."""

from stream.error_codes.entry import bad_request, fatal, unavailable

AUDIT = (
    unavailable(
        "audit_unavailable",
        "The audit trail cannot be written, so nothing is answered.",
        "Free the disk or correct the rights of its directory; give each long-running process a trail of its own.",
    ),
    fatal(
        "audit_damaged",
        "The end of the audit trail cannot be continued.",
        "Run `rushes audit verify`, keep the trail as evidence, and begin another in a new directory.",
    ),
    fatal(
        "invalid_audit_key",
        "The file of the audit trail's key is missing, holds no key, or can be read by others.",
        "Make a trail with `rushes audit init`, and leave the file to its owner alone (`chmod 600`).",
    ),
    unavailable(
        "siem_unavailable",
        "A target of audit events did not take them, or did not say so.",
        "Mend what the message names; the events are sent again by themselves, and other targets go on meanwhile.",
    ),
    fatal(
        "audit_gap",
        "Files of the audit trail were removed before a target had their events.",
        "Put the files back, or begin another trail.",
    ),
    fatal(
        "invalid_siem_target",
        "A target of audit events cannot be used.",
        "Name one as `rushes audit export --help` says, and give secrets by the environment.",
    ),
    bad_request(
        "invalid_verifier_key",
        "A text is no key to verify an audit trail with.",
        "Give the line that `rushes audit key` prints, or a file with it.",
    ),
    bad_request(
        "invalid_checkpoint",
        "A file holds no checkpoint of an audit trail that its key has signed.",
        "Give a file as `rushes audit checkpoint` prints it, and the key of that trail.",
    ),
)
