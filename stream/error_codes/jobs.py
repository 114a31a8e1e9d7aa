"""Codes of jobs: templates, variants, tasks and where finals go."""

from stream.error_codes.entry import (
    ErrorCode,
    ErrorKind,
    bad_event,
    bad_media,
    bad_request,
    fatal,
    retryable,
    status,
    unavailable,
)

JOBS = (
    bad_request(
        "template_unreadable",
        "The file of a template, or of its rows, cannot be read.",
        "Name a file that is there and that this account may read.",
    ),
    bad_request(
        "prices_invalid",
        "The table of prices is no TOML, or has a field that is none or an amount that cannot be a price.",
        "Write it as [Run a campaign](../how-to/run-a-campaign.md) shows, or leave it out: then units alone are told.",
    ),
    bad_event(
        "job_unreadable",
        "The description that a submission names is gone, is none, or is another tenant's.",
        "Submit the job again with `rushes jobs submit`.",
    ),
    ErrorCode(
        "job_differs",
        (ErrorKind.BAD_EVENT, ErrorKind.BAD_REQUEST),
        "There is a job of this name with another description: another template, other rows or assets.",
        "Give the new one a name of its own with `--name`.",
    ),
    ErrorCode(
        "no_job",
        (ErrorKind.BAD_EVENT, ErrorKind.BAD_REQUEST),
        "There is no job, or no finished variant, of this name.",
        "`rushes jobs list` shows the jobs of a tenant, `rushes jobs show` the variants of one.",
    ),
    ErrorCode(
        "job_closed",
        (ErrorKind.BAD_EVENT, ErrorKind.BAD_REQUEST),
        "A job that ended so long ago that the coordinator keeps nothing of its variants any more.",
        "Submit its template under another name. Its states and manifests stay where they are, and its finals unless"
        " they are removed after a time.",
    ),
    status(
        "budget_exhausted",
        "The next part of a job would take more CPU seconds than its budget has left.",
        "Raise it with `rushes jobs budget JOB --cpu-s`: the job goes on where it stopped.",
    ),
    status(
        "tenant_budget_exhausted",
        "The next part of a job would take more CPU seconds than the budget of its tenant has left.",
        "Raise it with `rushes jobs tenant-budget TENANT --cpu-s`: the tenant's jobs go on where they stopped.",
    ),
    bad_request(
        "variant_budget",
        "The next part of a variant would take more CPU seconds than the variant has left. A variant that is running"
        " waits with this code for its parts in work, which may take less than is reserved for them.",
        "Raise it with `rushes jobs budget JOB --variant-cpu-s`: the variant goes on where it stopped.",
    ),
    bad_request(
        "final_gone",
        "Finals of a variant are not in the store of objects any more, as somebody has them removed after a time.",
        "Take them from where they were delivered, or submit the template under another name: they are made again.",
    ),
    bad_request(
        "manifest_invalid",
        "The manifest is none, was changed, is not signed, or was signed by another key.",
        "Take the manifest as it was delivered, and the public key of the deployment that made it (`rushes jobs key`).",
    ),
    bad_request(
        "not_reproducible",
        "A variant cannot be made again: its description or an asset is gone, or the work fails on this machine.",
        "Submit the template again, or run where the toolchain is the one that the manifest names.",
    ),
    bad_media(
        "media_out_of_memory",
        "The work on a part needs more memory than a child may have.",
        "Use smaller pictures or shorter parts.",
    ),
    bad_media(
        "operator_defect",
        "A media operator did something that it must not do; the message names the place in its code.",
        "Report it, with the variant. The other variants of the job are not concerned.",
    ),
    bad_media(
        "media_too_slow",
        "The work on a part took longer than a part may take.",
        "Make the parts shorter, or the pictures smaller.",
    ),
    retryable(
        "media_child_died",
        "The child that worked on a part ended, such as by a crash of a library.",
        "Nothing at first: the part is tried again. If it comes back, look at the input that the variant uses.",
    ),
    retryable(
        "media_disk_full",
        "A part needs more temporary room than the disk of its worker has, with nothing else on it.",
        "Make the parts of the stage shorter, or put the state directory of the renderer on a larger disk.",
    ),
    retryable(
        "media_hung",
        "The child that worked on a part did not say for too long that it goes on.",
        "Nothing at first: the part is tried again. If it comes back, look at the input that the variant uses.",
    ),
    unavailable(
        "media_child_start",
        "No child for media operators can be started.",
        "See the limits on processes and memory of the machine.",
    ),
    unavailable(
        "work_given_up",
        "A worker that was told to end had no more time for the part in work.",
        "Nothing: another worker begins the part again.",
    ),
    unavailable(
        "other_toolchain",
        "A worker has other builds or another kind of processor than the coordinator, and would make other bytes.",
        "Run both from one image, on machines of one kind.",
    ),
    bad_media(
        "too_many_parts",
        "A media operator divided a stage into more parts than a job takes.",
        "Make the parts longer in the settings of the stage, or the input shorter.",
    ),
    bad_media(
        "delivery_refused",
        "Finals may not be delivered where the job wants them, or another file of that name lies there.",
        "Name a place below one of `--deliver-root`, in the tenant's own folder, or move the other file away; then"
        " `rushes jobs retry`.",
    ),
    unavailable(
        "finals_being_removed",
        "Finals of a variant are among old objects of its tenant that are being removed at this moment.",
        "Nothing: a minute later they are delivered, or made again where they are gone.",
    ),
    bad_media(
        "credentials_failed",
        "No content credentials (C2PA) can be made for a final.",
        "See what the message says of the file. Without `--c2pa-certificates` finals are delivered without any.",
    ),
    fatal(
        "credentials_unusable",
        "The certificates or the key for content credentials (C2PA) cannot be used.",
        "Name the signer's certificate first, then those above it, and its own key: see `deliver-to-a-bucket.md`.",
    ),
    status(
        "moderation_awaited",
        "Finals of a variant are published, and wait to be understood before they are delivered.",
        "Nothing, where stages that understand footage run and read the objects of jobs; else start them. `rushes jobs"
        " release` delivers without waiting.",
    ),
    status(
        "moderation_blocked",
        "The moderation of the template objects to finals of a variant, so they are not delivered.",
        "Look at the finals. `rushes jobs release JOB VARIANT` delivers them after all, and is audited.",
    ),
    status(
        "objects_lost",
        "Objects that a variant needs are gone or damaged again and again, or an asset of its job is gone.",
        "Look at the disk of the object store, then `rushes jobs retry`. For an asset, submit the job again.",
    ),
    fatal(
        "register_unusable",
        "The coordinator's register is damaged, or of a later release.",
        "Move it away and submit the jobs again: what is finished is found again by its content.",
    ),
)
