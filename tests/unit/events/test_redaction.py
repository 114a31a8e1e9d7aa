"""What of a uri is kept: never a secret, always the same asset."""

import pytest

from decoders.sources.uris import describe
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.ids import default_asset_id, kept_uri, without_secrets

CANARY = "c4nary"
AWS = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={0}&X-Amz-Date=1&X-Amz-Expires=9&X-Amz-Signature={0}"
SIGNED = [
    AWS,
    "AWSAccessKeyId=A&Signature={0}&Expires=1",
    "X-Goog-Algorithm=G&X-Goog-Signature={0}",
    "GoogleAccessId=a&Expires=1&Signature={0}",
    "sv=2024-01-01&se=1&sr=b&sp=r&sig={0}",
    "Policy=p&Signature={0}&Key-Pair-Id=K",
]
PLAIN = {
    "/footage/a.mp4": ("/footage/a.mp4", "/footage/a.mp4"),
    "/footage/watch?v=1@b:c.mp4": ("/footage/watch?v=1@b:c.mp4", "/footage/watch?v=1@b:c.mp4"),
    "https://host:8080/a@b.mp4": ("https://host:8080/a@b.mp4", "https://host:8080/a@b.mp4"),
    "https://[::1]/a.mp4": ("https://[::1]/a.mp4", "https://[::1]/a.mp4"),
    "https://host/a.mp4?id=5": ("https://host/a.mp4?…", "https://host/a.mp4?5a641fa72fd99293"),
    "s3://bucket/what?#.mp4": ("s3://bucket/what?…", "s3://bucket/what?4c1b4a57a710e80b"),
    "s3://bucket/day=1/token=2/a::b.mp4": ("s3://bucket/day=1/token=2/a::b.mp4", "s3://bucket/day=1/token=2/a::b.mp4"),
    "file:///x/a.mp4": ("file:///x/a.mp4", "file:///x/a.mp4"),
}
WHOLE = [
    "https://user:{0}@host/a.mp4",
    "https://{0}@host/a.mp4?token={0}#{0}",
    "https://user:p@{0}@host/a.mp4",
    "s3://key:{0}@bucket/a.mp4?versionId={0}",
    "file://user:{0}@host/a.mp4",
    *(f"https://host/a.mp4?{query}" for query in SIGNED),
]
MALFORMED = [
    "https://user:{0}/{0}@host/a.mp4",
    "https://user:pa?{0}@host/a.mp4",
    "https://user:1#{0}@host/a.mp4",
    "https://user:{0}@[::1/a.mp4",
    "https://user:{0}@host:99999/a.mp4",
    "https://user:{0}@ho st/a.mp4",
    "https://user%3A{0}%40host/a.mp4",
    "https:///user:{0}@host/a.mp4",
    "https:/user:{0}@host/a.mp4",
    "https:user:{0}@host",
    "https//user:{0}@host/a.mp4",
    "//user:{0}@host/a.mp4",
    "user:{0}@host/a.mp4",
    "://user:{0}@host/a.mp4",
    "ht tp://user:{0}@host/{0}.mp4",
    "https://host/a.mp4;sig={0}",
    "https://host/a.mp4&X-Amz-Signature={0}",
    "host/a.mp4?X-Amz-Signature={0}",
]


@pytest.mark.parametrize("uri", PLAIN)
def test_ordinary_uris_keep_their_names(uri: str) -> None:
    assert (kept_uri(uri), default_asset_id(uri)) == PLAIN[uri]
    assert kept_uri(kept_uri(uri)) == kept_uri(uri)


@pytest.mark.parametrize("form", [*WHOLE, *MALFORMED])
def test_no_secret_is_kept_shown_or_part_of_an_id(form: str) -> None:
    uri = form.format(CANARY)
    shown = [kept_uri(uri), without_secrets(uri), default_asset_id(uri), describe(uri)]
    shown += [AssetPublished(uri="/a", asset_id=uri).identity(), AssetDeleted(asset_id=uri).asset_id]
    shown += [AssetPublished(uri=uri).partition_key().decode()]
    assert not [text for text in shown if CANARY in text]
    assert kept_uri(kept_uri(uri)) == kept_uri(uri)
    assert default_asset_id(default_asset_id(uri)) == default_asset_id(uri) or "?" in default_asset_id(uri)


@pytest.mark.parametrize("form", MALFORMED)
def test_what_does_not_parse_is_a_digest_and_others_stay_apart(form: str) -> None:
    first, second = (default_asset_id(form.format(secret)) for secret in ("one", "two"))
    assert first.startswith("uri:")
    assert len(first) == 36
    assert first != second


@pytest.mark.parametrize("query", SIGNED)
@pytest.mark.parametrize("long", [False, True])
def test_a_url_that_is_signed_anew_is_the_same_asset(query: str, long: bool) -> None:
    base = f"https://host/{'a' * 2000 if long else 'a'}.mp4"
    ids = {default_asset_id(f"{base}?{query.format(secret)}") for secret in ("one", "two")}
    assert ids == {default_asset_id(base)}
    take = {default_asset_id(f"{base}?take=1&{query.format(secret)}") for secret in ("one", "two")}
    assert take == {default_asset_id(f"{base}?take=1")}
    assert take != ids


def test_a_deletion_names_what_a_publication_named() -> None:
    uri = f"https://user:{CANARY}@host/a.mp4?{AWS.format(CANARY)}"
    assert AssetDeleted(asset_id=uri).asset_id == AssetPublished(uri=uri).identity() == "https://host/a.mp4"
    for chosen in ("cam:1@2024-01-01T10:00", "urn:asset:12", "https://mam/asset?id=5", "a@b", "token=5", "/x?v=1"):
        assert AssetDeleted(asset_id=chosen).asset_id == chosen
