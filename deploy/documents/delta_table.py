"""The columns of the Delta table as a reference page, from its schema."""

from collections.abc import Mapping

from deploy.documents.markdown import code, table
from sinks.schema import delta_schema

COLUMNS: Mapping[str, str] = {
    "moment_id": "Digest of segment and start: the same whenever the moment is made again.",
    "start_ns": "Begin, in asset time.",
    "end_ns": "End, in asset time; the moment does not include it.",
    "starts_at_cut": "Whether a cut begins it; otherwise the edge of a cell or of the asset.",
    "ends_at_cut": "Whether a cut ends it.",
    "kind": "`visual`.",
    "sample_count": "Pictures that the models saw of it.",
    "vector": "Embedding for queries in words, L2-normalised.",
    "tags": "Labels with their probabilities, the best first.",
    "moderation_nsfw": "Moderation score from 0 to 1.",
    "caption": "A sentence about it.",
    "caption_method": "`template`, or the name of the captioner.",
    "text": "What search by words looks into beside the embedding.",
    "thumbnail": "A picture of it, as JPEG.",
    "thumbnail_time_ns": "Which one, in asset time.",
    "segment_id": "Digest of content and cell.",
    "space": "Key of the embedding space.",
    "asset_key": "Digest of tenant and asset id.",
    "content_key": "Digest of tenant, asset, content and decode settings.",
    "tenant": "Who owns the asset. A partition of the table.",
    "project": "What the asset belongs to.",
    "asset_id": "The asset.",
    "uri": "Where it was read, without secrets.",
    "labels": "Texts of the form `name=value`, sorted.",
    "segment": "Number of the cell, from 0.",
    "profile": "`full` or `fast`.",
    "shot_method": "Name of the shot detector, or `none`.",
    "damaged": "Whether the decoder reported errors in the cell.",
    "file_offset_ns": "Asset time plus this is the file's own time.",
    "version_ms": "Version of the asset: when the broker appended its event.",
    "version_offset": "Version of the asset: the offset of its event.",
    "epoch_ms": "Roll-out that made the row.",
    "revision": "1 where a captioner replaced the caption, else 0.",
    "day": "Day of `version_ms`, UTC. A partition of the table.",
    "models": "Models with versions and digests of weights, as JSON.",
    "stage_digests": "Digests of settings and models by stage, as JSON.",
    "image_vector": "Embedding for queries with a picture, where the space has another one for them.",
}
"""Meanings. A test compares the names with the schema."""


def delta_columns() -> str:
    """Every column of `moments`."""
    rows = [
        (code(it.name), code(str(it.type)), "yes" if it.nullable else "", COLUMNS[it.name]) for it in delta_schema()
    ]
    return table(("column", "Arrow type", "may be null", "meaning"), rows)
