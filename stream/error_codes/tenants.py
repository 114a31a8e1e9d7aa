"""Codes of tenants with topics of their own: what their records may claim."""

from stream.error_codes.entry import bad_event, bad_media, fatal

TENANTS = (
    bad_event(
        "tenant_not_yours",
        "The record says that it belongs to another tenant than the one whose topic it was sent to.",
        "Leave the attribute `tenant` out, or send the record to that tenant's topic. Where the gate keeps a trail, the"
        " claim is in it.",
    ),
    bad_event(
        "project_not_allowed",
        "The record names a project that its tenant's topic does not take.",
        "Use one of the projects that the message names, or leave the attribute `project` out.",
    ),
    bad_event(
        "region_not_allowed",
        "The record names a region that its tenant's topic does not take.",
        "Use one of the regions that the message names, or leave the attribute `region` out.",
    ),
    bad_media(
        "source_not_allowed",
        "The URL is not under those that the tenant may publish, or redirects to another place.",
        "Publish footage from an allowed place, or have this one allowed with `rushes tenants add --source`.",
    ),
    fatal(
        "no_authorizer",
        "The cluster has no authorizer, so it cannot be said who may write a topic.",
        "Set `authorizer.class.name` on its brokers, or add the tenant without `--principal`.",
    ),
    fatal(
        "no_producers",
        "A client quota is one of a user, and no user is known who may write the tenant's topic.",
        "Name the users with `--principal User:NAME`, or leave the quotas out.",
    ),
    fatal(
        "quotas_not_settable",
        "The client properties need something that the client which sets quotas lacks.",
        "Leave the quotas out, and set them with Kafka's own `kafka-configs.sh`; or give properties with certificates"
        " in PEM, and SASL's PLAIN or SCRAM.",
    ),
    fatal(
        "tenants_unreadable",
        "The register of tenants cannot be read, so nobody knows what a tenant may publish.",
        "Restore the file that the message names, or remove it and add the tenants again with `rushes tenants add`.",
    ),
)
