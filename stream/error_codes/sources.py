"""Codes of reading: files, http servers and object stores."""

from stream.error_codes.entry import ErrorCode, ErrorKind, bad_media, retryable

SOURCES = (
    bad_media(
        "invalid_uri",
        "The uri or path cannot be used.",
        "Publish the asset with a uri that names one file or object, such as `file:///path` or `s3://BUCKET/KEY`.",
    ),
    bad_media(
        "scheme_not_allowed",
        "The uri's scheme or bucket is not allowed here.",
        "Allow it with `--scheme` or `--root`, or publish the asset from another place.",
    ),
    bad_media(
        "not_found",
        "There is nothing at this uri, or it lies outside what may be read.",
        "Check the uri; allow its folder or prefix with `--root` of the workers or the service, and as a `--source` of"
        " the tenant where it has some; then replay the dead letter.",
    ),
    bad_media(
        "permission_denied",
        "The file or object may not be read.",
        "Let this user or these credentials read it, then replay the dead letter.",
    ),
    bad_media("is_directory", "The uri names a directory.", "Publish the files in it."),
    bad_media("not_a_file", "The path is a device, pipe or socket.", "Publish a regular file."),
    bad_media("empty", "The file or object has no bytes.", "Publish it when it is written."),
    bad_media("not_open", "The decode process asked to read and no source was open.", "Report it: this is a defect."),
    bad_media(
        "extra_missing",
        "Reading this scheme needs a package that is not installed.",
        "Install the package that the message names, then replay the dead letter.",
    ),
    bad_media(
        "address_not_allowed",
        "The host has an address that is private, loopback, link-local or reserved.",
        "Publish a public address, or allow private ones with `--private-network`.",
    ),
    bad_media(
        "address_not_kept",
        "The query of the uri, which may be a secret, is not kept, so the footage cannot be found again.",
        "Publish the footage under an address without a query.",
    ),
    bad_media("too_many_redirects", "The server redirects again and again.", "Publish the final URL."),
    bad_media(
        "range_not_supported",
        "The server does not send parts of the file as they are asked for.",
        "Copy the file to local or object storage and publish that.",
    ),
    ErrorCode(
        "http_status",
        (ErrorKind.BAD_MEDIA, ErrorKind.RETRYABLE),
        "The server answered with a status that is neither the file nor a known refusal.",
        "Check the URL; for a status of 500 and more, look after the server.",
    ),
    retryable("http_resolve", "The host name cannot be resolved.", "Check the host name and the name server."),
    retryable(
        "http_connect", "The server takes no connection.", "Check that the server is up and reachable from here."
    ),
    retryable("http_failed", "The transfer failed on the way.", "Check the network and the server, then replay."),
    retryable("http_stalled", "The server did not answer in time.", "Check how busy the server is, then replay."),
    retryable("short_read", "The server sent fewer bytes than asked for.", "Check the server or the proxy before it."),
    retryable("store_failed", "The object store failed.", "Check the store and its credentials, then replay."),
    retryable("read_failed", "Reading the source failed.", "Check the disk, the mount or the store, then replay."),
)
