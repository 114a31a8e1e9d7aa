"""Codes of records and events: what producers send, and what becomes of assets and notifications."""

from stream.error_codes.entry import ErrorCode, ErrorKind, bad_event, fatal, retryable, status, unavailable

EVENTS = (
    bad_event(
        "not_a_cloudevent",
        "The record is no CloudEvent 1.0.",
        "Send JSON with a `ce_type` header, or an envelope with `specversion`, `id`, `type`, `source` and `data`.",
    ),
    bad_event(
        "unknown_type",
        "The topic does not carry events of this type, or no topic does.",
        "Check the `type` attribute and the topic that you send to.",
    ),
    bad_event(
        "invalid_payload",
        "The event's data lacks a field or holds a value that is not allowed.",
        "Correct the field that the message names and publish the event again.",
    ),
    bad_event(
        "invalid_attribute",
        "An attribute of the event, such as `tenant` or `id`, is too long or holds control characters.",
        "Shorten or clean the attribute that the message names and publish the event again.",
    ),
    bad_event(
        "unreadable_headers",
        "The name of one of the record's headers is no UTF-8.",
        "Send the record with header names in UTF-8.",
    ),
    bad_event(
        "undecodable",
        "The record broke a parser in a way that was not foreseen.",
        "Compare the record with a valid event; if it looks valid, report a defect.",
    ),
    bad_event(
        "record_too_large",
        "The record has more bytes than its topic takes.",
        "Make the event smaller, for example with fewer labels.",
    ),
    bad_event(
        "worker_killed",
        "Several workers died while they worked on this record alone.",
        "Look for the cause in the workers' logs, such as too little memory; then replay the dead letter.",
    ),
    bad_event(
        "no_bucket_rule",
        "A bucket notification names an object that no bucket rule covers.",
        "Add a rule for it, or narrow what the bucket notifies of.",
    ),
    fatal(
        "invalid_rule",
        "A bucket rule is not written as BUCKET/PREFIX=TENANT/PROJECT.",
        "Correct the rule that the message shows and start again.",
    ),
    ErrorCode(
        "source_changed",
        (ErrorKind.SUPERSEDED,),
        "The source changed between the event and the end of decoding, or its size is not what the event says.",
        "Publish the asset again when its file is complete.",
    ),
    status(
        "superseded",
        "Some cells of this version are void because its source changed while it was read.",
        "Publish the asset again when its file is complete.",
    ),
    status(
        "uri_not_kept",
        "Some cells of this version are gone, and the query of its uri, which may be a secret, is not kept.",
        "Publish the asset again.",
    ),
    status(
        "deleted", "The asset was deleted by its producer.", "Nothing, unless it should come back: publish it again."
    ),
    status(
        "retention",
        "The asset was deleted because its retention ended.",
        "Nothing, unless it should come back: publish it again, with a longer `retention_days`.",
    ),
    status(
        "unknown_asset",
        "A producer deleted an asset that the index does not know.",
        "Check tenant and asset id of the deletion.",
    ),
    fatal(
        "invalid_webhook",
        "The webhook's address or secret cannot be used.",
        "Name an http or https URL without user and password, and a secret of at least 16 bytes.",
    ),
    unavailable(
        "webhook_address",
        "The webhook's host has an address that is not public.",
        "Name a public host, or allow private addresses with `--private-network`.",
    ),
    unavailable(
        "webhook_away",
        "The webhook does not answer, or takes no messages now.",
        "Start the webhook's server; what waits is sent as soon as it answers.",
    ),
    retryable(
        "webhook_failed",
        "The webhook answered with status 500 to this message.",
        "Look into the log of the webhook's server.",
    ),
    bad_event(
        "webhook_refused",
        "The webhook refused this message.",
        "Correct the webhook's server and replay the dead letter.",
    ),
)
