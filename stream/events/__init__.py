"""The vocabulary on the wire: payloads, identities, time. Plug-in families import it; it imports errors alone.

Begin with `asset`, then `grid`.
"""
