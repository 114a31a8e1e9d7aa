"""What object stores send of their objects."""

from typing import Any
from urllib.parse import quote_plus


def s3(name: str, key: str, *, sequencer: str = "", bucket: str = "footage", **facts: object) -> dict[str, Any]:
    """As Amazon S3 writes it (event message structure 2.x)."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-24T10:00:00.123Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "c",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": quote_plus(key, safe="/"), "sequencer": sequencer, **facts},
        },
    }


def minio(name: str, key: str) -> dict[str, Any]:
    record = s3(name, key, sequencer="17A1", size=12, eTag="e1")
    return {"EventName": name, "Key": f"footage/{key}", "Records": [record | {"eventSource": "minio:s3"}]}
