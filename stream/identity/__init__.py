"""Who people are: sessions of browsers, and what tells a browser's own requests from those of other sites.

What somebody may do does not belong here (`stream.access`), nor routes (`stream.service`). Begin reading in
`browser_sessions`.
"""
