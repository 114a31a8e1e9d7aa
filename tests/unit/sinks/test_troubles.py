"""What object stores answer, as their libraries pass it on, is told in the words of the store that was asked."""

import pytest

from sinks.storage.troubles import trouble

_ANSWER = "Server returned non-2xx status code: {}: <?xml version='1.0'?><Error><Code>{}</Code></Error>"


@pytest.mark.parametrize(
    ("scheme", "said", "words"),
    [
        ("az", _ANSWER.format("403 Forbidden", "AuthenticationFailed"), "correct AZURE_STORAGE_ACCOUNT_NAME"),
        ("az", _ANSWER.format("403 Forbidden", "AuthorizationPermissionMismatch"), "denies access"),
        ("az", _ANSWER.format("404 Not Found", "ContainerNotFound"), "its container does not exist"),
        ("az", _ANSWER.format("409 Conflict", "ContainerBeingDeleted"), "its container does not exist"),
        ("az", _ANSWER.format("404 Not Found", "ResourceNotFound"), "its container does not exist"),
        ("az", _ANSWER.format("503 Service Unavailable", "ServerBusy"), "it answers 503"),
        ("az", "Generic MicrosoftAzure error: Account must be specified", "set AZURE_STORAGE_ACCOUNT_NAME"),
        ("az", "no Azure account name in URI, and no storage account configured.", "set AZURE_STORAGE_ACCOUNT_NAME"),
        ("az", "Invalid Access Key: Invalid symbol 32, offset 3.", "correct AZURE_STORAGE_ACCOUNT_NAME"),
        ("gs", _ANSWER.format("403 Forbidden", "AccessDenied"), "denies access"),
        ("gs", _ANSWER.format("404 Not Found", "NoSuchBucket"), "its bucket does not exist"),
        ("gs", "GET http://metadata.google.internal/computeMetadata: dns error", "set GOOGLE_SERVICE_ACCOUNT"),
        ("s3", _ANSWER.format("403 Forbidden", "InvalidAccessKeyId"), "correct AWS_ACCESS_KEY_ID"),
        ("s3", "HTTP error: builder error: URL scheme is not allowed", "AWS_ALLOW_HTTP=true"),
        ("az", "HTTP error: builder error: URL scheme is not allowed", "AZURE_ALLOW_HTTP=true"),
    ],
)
def test_what_a_store_answers_is_told_in_its_own_words(scheme: str, said: str, words: str) -> None:
    assert words in (trouble(said, scheme) or "nothing")


@pytest.mark.parametrize("scheme", ["s3", "az", "gs"])
@pytest.mark.parametrize("code", ["NoSuchKey", "BlobNotFound"])
def test_an_object_that_is_not_there_is_no_trouble(scheme: str, code: str) -> None:
    assert trouble(_ANSWER.format("404 Not Found", code), scheme) is None
