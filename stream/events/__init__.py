"""The vocabulary on the wire: payloads, identities, time. The only part of `stream` that plug-in families import."""
