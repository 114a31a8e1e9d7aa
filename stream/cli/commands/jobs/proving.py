"""`rushes jobs manifest`, `verify`, `key`: what proves where finals come from."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.commands.jobs.looking import VariantName, jobs_of, manifest_in, manifest_of
from stream.cli.context import AnsweredNo, Context, UsageProblem
from stream.cli.options.job_keys import public_key
from stream.cli.options.jobs import AsJson, JobName, JobTenant, ObjectsOption
from stream.cli.rendering.sanitize import shown


def manifest(
    context: typer.Context,
    job: JobName,
    variant: VariantName,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    verify: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check the signature with a public key, PEM or base64.")
    ] = None,
) -> None:
    """Print the signed manifest of a finished variant: what it is, what it was made of, by what and with what seed."""
    from stream.jobs.manifest import opened

    shared: Context = context.obj
    envelope = manifest_of(jobs_of(shared, objects), tenant, job, variant)
    opened(envelope, None if verify is None else public_key(verify, "--verify"))
    shared.write(envelope.decode() + "\n")


def verify(
    context: typer.Context,
    manifest_file: Annotated[
        Path, typer.Argument(help="The manifest.json of a delivery, or as `manifest` prints it.", metavar="MANIFEST")
    ],
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The public key of who made it, PEM or base64. Without: digests alone."),
    ] = None,
    files: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where its files lie. [default: beside the manifest]")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Check a manifest's signature and the digest of every file that it names. Exits with 1 where a file is missing or
    has other bytes.
    """
    from stream.sessions.job_verification import verify_delivery

    shared: Context = context.obj
    envelope = manifest_in(manifest_file)
    trusted = None if key is None else public_key(key, "--key")
    found = verify_delivery(envelope, trusted, files or manifest_file.parent)
    if json_output:
        shared.print_json(
            {"holds": found.holds, "signature_checked": found.signature_checked, "files": dict(found.files)}
        )
    else:
        for name, fault in found.files.items():
            shared.console.print(f"{shown(name)}: {fault or 'as it was delivered'}", soft_wrap=True, markup=False)
        told = "this key signed the manifest" if found.signature_checked else "no signature was checked: give --key"
        shared.console.print(told, markup=False)
    if not found.holds:
        raise AnsweredNo


def key(context: typer.Context) -> None:
    """Print the public key with which manifests of this state directory are checked. It is made with the first job."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from stream.cli.options.jobs import job_settings
    from stream.clock import SystemClock
    from stream.pipelines.jobs import JobPipeline

    shared: Context = context.obj
    private = JobPipeline(job_settings(shared, None), SystemClock(), afresh=True).key
    if private is None:
        raise UsageProblem("there is no key for manifests: name one with --manifest-key")
    shared.write(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
