"""Codes of footage and of the processes that decode it."""

from stream.error_codes.entry import bad_media, fatal, retryable, unavailable

FOOTAGE = (
    bad_media(
        "unreadable_container",
        "The file is no video in a container that is read here, or its header is missing or cut off.",
        "Check that the upload is complete; or rewrite it (`ffmpeg -i IN -c copy OUT.mp4`), and publish it again.",
    ),
    bad_media("no_video", "The file holds no film.", "Publish the film that it belongs to."),
    bad_media("still_picture", "The file is a still picture.", "Publish films; pictures are not read."),
    bad_media(
        "nested_reference", "The file refers to another file.", "Publish the file that holds the footage itself."
    ),
    bad_media(
        "unknown_codec",
        "There is no decoder for the video stream: its codec is unknown, or it is encrypted.",
        "Transcode it, for example to H.264, and publish it again.",
    ),
    bad_media("encrypted", "The pictures are encrypted (copy protection).", "Publish a decrypted copy."),
    bad_media(
        "no_frames",
        "Not one picture could be decoded, or no picture has a time that can be true.",
        "Check the file in a player; publish a copy that is not damaged.",
    ),
    bad_media(
        "missing_frames",
        "Half of the pictures or more could not be decoded in the named cells.",
        "The rest can be searched; to have these cells too, publish a copy that is not damaged.",
    ),
    bad_media(
        "too_discontinuous",
        "The time stamps jump more often than is allowed.",
        "Rewrite the file with continuous times (`ffmpeg -i IN -c copy OUT.mp4`) and publish it again.",
    ),
    bad_media("too_long", "The file claims to last longer than is allowed.", "Publish it in parts."),
    bad_media("too_many_pixels", "The pictures are larger than is allowed.", "Publish a smaller version."),
    bad_media(
        "too_many_streams",
        "The file has more streams, or takes more memory to open, than is allowed.",
        "Publish a copy that holds the film alone.",
    ),
    bad_media("too_large", "What one cell yields is larger than a record may be.", "Publish a smaller version."),
    bad_media(
        "too_slow",
        "Reading went on for longer than is allowed and did not reach the end.",
        "Copy the file to faster storage, or rewrite it with an index (`ffmpeg -i IN -c copy OUT.mp4`), and replay it.",
    ),
    bad_media(
        "unsupported_pixels",
        "The pictures have a format that cannot be converted.",
        "Transcode it, for example to H.264, and publish it again.",
    ),
    bad_media("bad_picture", "A query's picture cannot be read.", "Search with a JPEG, PNG or WebP picture."),
    bad_media(
        "no_samples",
        "A cell arrived without a picture to look at.",
        "Replay the dead letter; if it comes again, report it: this is a defect.",
    ),
    bad_media(
        "decoder_out_of_memory",
        "Decoding this file takes more memory than a decode process may have.",
        "Publish a smaller version, or give decode processes more memory.",
    ),
    retryable(
        "decoder_died",
        "The decode process ended in the middle of its work.",
        "Replay the dead letter; if it comes again, the file breaks the decoder: transcode it.",
    ),
    retryable(
        "decoder_hung",
        "Decoding made no progress for too long and was stopped.",
        "Check the storage, then replay; if it comes again, transcode the file.",
    ),
    unavailable(
        "decoder_start",
        "No decode process can be started.",
        "Raise the limits of processes, memory or open files, or run fewer processes; `rushes doctor` tests it.",
    ),
    unavailable("decoder_closed", "The decode processes were closed while they were asked.", "Start the stage again."),
    fatal(
        "sandbox_required",
        "The sandbox of decode processes is required, and this machine cannot hold it.",
        "Do what `rushes doctor` says, or run without `RUSHES_SANDBOX=required`.",
    ),
)
