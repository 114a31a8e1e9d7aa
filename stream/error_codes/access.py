"""Codes of who may do what, and of requests to the service."""

from stream.error_codes.entry import bad_request, fatal, response, unavailable

ACCESS = (
    response(
        "unauthenticated_request",
        "The request has no key and no session that is valid now.",
        "Send `Authorization: Bearer rsk_…` with a key that has not ended, which `rushes access key` makes, or sign in"
        " at `/sign-in`.",
    ),
    response(
        "forbidden",
        "The caller has no role that may do this.",
        "Ask an administrator of the tenant for a role; `GET /v1/me/decision` says which rules there are.",
    ),
    bad_request(
        "key_would_widen",
        "A key was to get more than it has: roles, projects or time.",
        "Make a new key with what is needed, and revoke the old one.",
    ),
    bad_request(
        "key_not_narrowed",
        "A key was to be narrowed, and nothing was said that it is to lose.",
        "Say roles, a project, or in how many days it is to end.",
    ),
    response(
        "key_changed",
        "Somebody else changed or revoked the key while it was being narrowed.",
        "Look at the key, and try again.",
    ),
    response(
        "forged_request",
        "A request that changes something came from another site, or without what only the service's own pages know.",
        "Load the page again. Programs send a key and no cookie. A service behind a proxy needs `--public-url`.",
    ),
    response(
        "sign_in_refused",
        "The identity provider did not sign the person in, or what it sent does not hold.",
        "Try again. The service's log says which fact did not hold.",
    ),
    unavailable(
        "identity_provider_unavailable",
        "The identity provider cannot be reached, or does not describe itself as it must.",
        "Sign in later, or with a key. Check `--oidc-issuer` and that the service reaches it.",
    ),
    unavailable(
        "sessions_unavailable",
        "The file with the sessions of browsers cannot be used.",
        "Give the disk room, or remove `sessions.db` in the state directory; then everybody signs in again.",
    ),
    response("no_such_thing", "There is no such thing, or nothing that the caller may know of.", "Check the address."),
    response("invalid_request", "The request is not one that this address takes.", "See `/openapi.json`."),
    response(
        "range_not_satisfiable",
        "The range that is asked for lies behind the end of the footage.",
        "Ask for bytes that there are; `HEAD` tells how many.",
    ),
    response(
        "final_lost",
        "A final of a job is gone from the store of objects, or its bytes are not those that its manifest names.",
        "Submit the job again: what is known stays, and the final is made anew.",
    ),
    response(
        "bad_filter",
        "A filter in the search box cannot be understood.",
        "Write it as `tenant:acme`, `label:show=pilot`, `from:1:30`, each once but for labels; or remove its chip.",
    ),
    response(
        "bad_cursor", "The cursor is not one of this service, or not sent alone.", "Send `next` as it was answered."
    ),
    response("too_many_saved_searches", "The caller keeps as many searches as one may.", "Remove one first."),
    unavailable(
        "saved_searches_unreadable",
        "The file of saved searches cannot be read or written.",
        "Correct the file that the message names, or remove it.",
    ),
    response("cursor_gone", "The answer that the cursor leads into is not kept any more.", "Search again."),
    response(
        "not_fresh_enough",
        "Something that was published before the time that was asked for is not searchable yet.",
        "Ask again later, or without `as_fresh_as`; the answer says what is under way.",
    ),
    response("not_a_picture", "The body is said to be no picture.", "Send the file of a picture, with its media type."),
    response("large_request", "The body is larger than the address takes.", "Send less; the answer says how much."),
    response("slow_request", "The body did not come in time.", "Send it at once, over a better connection."),
    response("bad_label", "A label to filter by is not `k=v`.", "Write the label's name, `=` and its value."),
    bad_request(
        "invalid_access_record",
        "A name, a role or a holder of a role is not valid.",
        "Names are letters, digits and . _ @ + -; `rushes access --help` shows the forms.",
    ),
    response(
        "too_many_requests",
        "The caller, or the callers of its tenant together, sent too many requests in a short time.",
        "Wait as many seconds as `Retry-After` says; an operator sets the limit with `--rate`.",
    ),
    response(
        "invalid_idempotency_key",
        "The header `Idempotency-Key` is not one text of visible ASCII characters.",
        "Send a UUID, a new one for each write.",
    ),
    response(
        "idempotency_key_reused",
        "The caller sent another request to this address with the same `Idempotency-Key`.",
        "Make a new key for each write, and repeat a write as it was.",
    ),
    response(
        "write_in_flight",
        "The first request with this `Idempotency-Key` is still at work.",
        "Send it again after the seconds that `Retry-After` says.",
    ),
    response(
        "write_cut_off",
        "A request with this `Idempotency-Key` was cut off, and nobody knows whether it was done.",
        "Look what came of it. To do it, or to do it again, send it with a new key.",
    ),
    response(
        "answer_not_kept",
        "The request with this `Idempotency-Key` was done, and its answer is not shown again.",
        "Look what came of it. Revoke a key whose secret you do not have, and make another.",
    ),
    unavailable(
        "writes_unavailable",
        "The file with the answers to writes cannot be used, so no write with an `Idempotency-Key` is taken.",
        "Give the disk of the state directory room and rights.",
    ),
    response(
        "already_replayed", "The dead letter was replayed.", "If its record failed again, it has a new dead letter."
    ),
    response(
        "no_workers",
        "The service has nobody to process records.",
        "An operator starts it with `rushes serve`, or with `--broker` over a cluster.",
    ),
    response(
        "no_uploads",
        "The service takes no uploads.",
        "An operator of a cluster names a place that the workers read too, with `--uploads`, for all of them.",
    ),
    response("other_tus_version", "The client speaks another version of tus.", "Use a client for tus 1.0.0."),
    response(
        "invalid_upload_header", "A header of the upload is missing or not valid.", "Write it as `/openapi.json` says."
    ),
    response("other_upload_offset", "The bytes are not the next ones.", "Ask with `HEAD` where to go on."),
    response("upload_refused", "The upload was refused.", "`GET` tells why, in `code`; begin a new one."),
    response("upload_busy", "Another request sends this upload.", "Wait for its end, or end it."),
    response("upload_complete", "The upload is complete, and an asset by now.", "Delete the asset instead."),
    response(
        "checksum_mismatch", "What came is not what was announced.", "Send the part again; or the file, if it changed."
    ),
    response(
        "large_upload", "The file is larger than the service takes.", "Send a smaller one, or publish it from a bucket."
    ),
    response("too_many_uploads", "The caller has as many unfinished uploads as one may.", "Finish or delete one."),
    response(
        "tenant_uploads_full",
        "The uploads of the tenant hold as much as they may.",
        "An operator sets the limit with `--upload-tenant-gib`.",
    ),
    response("no_room_for_upload", "The disk of the service has no room for the upload.", "An operator makes room."),
    unavailable(
        "uploads_unavailable",
        "Uploads cannot be written or looked up.",
        "Give the disk of the state directory, or of `--uploads`, room and rights.",
    ),
    unavailable(
        "publications_unavailable",
        "The file of publications that wait to be handed on cannot be used.",
        "Make room, or correct its rights; requests are answered again without a restart.",
    ),
    unavailable("too_much_waiting", "Too much waits to be processed already.", "Ask again later."),
    response("busy", "Too many requests are waiting.", "Ask again after the seconds that `Retry-After` says."),
    fatal(
        "other_pepper",
        "The secret that keys are digested with is not that of the deployment's other processes.",
        "Copy `access.pepper` from the state directory of a process that made a key.",
    ),
    fatal(
        "access_unreadable",
        "The register of who may do what cannot be read, so nobody may do anything.",
        "Correct the file that the message names, or put it back from a backup.",
    ),
    fatal("cannot_listen", "The service cannot listen at the address.", "Choose another `--port` or `--host`."),
)
