"""Why a target was not reached, in words for who runs the export."""

import ssl


def fault_of(error: BaseException) -> str:
    """What the error, or one that it came from, says of the connection; its kind where none says anything."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({at.verify_message}): add its authority to the system's, or to the"
                " file that SSL_CERT_FILE names"
            )
        if isinstance(at, ssl.SSLError) and at.reason:
            return f"TLS failed ({at.reason})"
        if isinstance(at, OSError) and at.strerror:
            return f"it cannot be reached ({at.strerror})"
        # Clients wrap what the system said, and some leave it in the context alone.
        at = at.__cause__ or at.__context__
    return f"it cannot be reached ({type(error).__name__})"
