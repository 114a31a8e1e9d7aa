"""Examples of bodies and answers for the OpenAPI document: one story of a tenant, and tests hold each to its schema."""

from pydantic.config import JsonDict, JsonValue

from stream.pipelines.stages import DECODE, INDEX, PLAN

_SPACE = "clip-vit-base-patch32@c3a4f2d1"
_ASSET_ID = "pilot/bus.mp4"
_ASSET_PATH = "/v1/assets/acme/pilot%2Fbus.mp4"
_MOMENT_ID = "afebecc0ac8944becce46d2ff0210e0a"
_THUMBNAIL = f"/v1/moments/{_MOMENT_ID}/thumbnail?space=clip-vit-base-patch32%40c3a4f2d1"
_TIME_MS = 1_800_000_000_000
_DAY_MS = 86_400_000
_TAGS: list[JsonValue] = [{"label": "bus", "score": 0.8712}]
_TIMES: JsonDict = {
    "start_s": 12.04,
    "end_s": 15.48,
    "start": "00:00:12.040",
    "end": "00:00:15.480",
    "file_start_s": 12.04,
    "file_end_s": 15.48,
    "source_start": "10:00:12:01",
    "source_end": "10:00:15:12",
}
_MOMENT: JsonDict = {
    "moment_id": _MOMENT_ID,
    "times": _TIMES,
    "kind": "visual",
    "starts_at_cut": True,
    "ends_at_cut": True,
    "shot_method": "histogram",
    "caption": "Possibly bus and street.",
    "caption_method": "template",
    "tags": _TAGS,
    "moderation_nsfw": 0.0031,
    "not_looked_for": [],
    "damaged": False,
    "thumbnail": _THUMBNAIL,
}
_PROGRESS: list[JsonValue] = [
    {"stage": PLAN, "done": 3, "failed": 0, "code": None, "reason": None, "missing_s": []},
    {"stage": INDEX, "done": 3, "failed": 0, "code": None, "reason": None, "missing_s": []},
]
_REASON: JsonDict = {
    "allows": True,
    "tenant": "acme",
    "project": None,
    "text": "service:acme/newsroom has the role editor",
}
_KEY: JsonDict = {
    "key_id": "k1f2e3d4c5b6a",
    "tenant": "acme",
    "owner": "newsroom",
    "project": "news",
    "roles": ["viewer"],
    "until_ms": _TIME_MS + 90 * _DAY_MS,
    "made_by": "oidc:https://idp.example#ana",
    "made_at_ms": _TIME_MS,
}

PUBLISH_IN: JsonDict = {
    "tenant": "acme",
    "project": "news",
    "uri": "s3://acme-footage/pilot/bus.mp4",
    "asset_id": _ASSET_ID,
    "labels": {"show": "pilot"},
}
PUBLISHED: JsonDict = {
    "publication_id": "5f0c0a9a4c1f4b6f8e8a2b7d3c9e1f20",
    "tenant": "acme",
    "project": "news",
    "asset_id": _ASSET_ID,
    "asset": _ASSET_PATH,
    "status": "/v1/publications/5f0c0a9a4c1f4b6f8e8a2b7d3c9e1f20",
    "published_at_ms": _TIME_MS,
}
PUBLICATION: JsonDict = {
    **{name: value for name, value in PUBLISHED.items() if name != "status"},
    "state": "handed_on",
    "code": None,
    "reason": None,
}

SAVED_SEARCH_IN: JsonDict = {"q": "a red bus", "tenant": "acme", "label": ["show=pilot"], "group": "shot"}
_NOT_ASKED = ("project", "kind", "from", "to", "nsfw_from", "nsfw_below", "model", "space", "like", "shot_from")
_SEARCH: JsonDict = {
    **dict.fromkeys((*_NOT_ASKED, "shot_to", "as_fresh_as")),
    "tag": [],
    "sort": "relevance",
    "limit": 20,
    **SAVED_SEARCH_IN,
}
SAVED_SEARCH: JsonDict = {"name": "red buses", "search": _SEARCH}
SAVED_SEARCHES: JsonDict = {"saved_searches": [SAVED_SEARCH], "unreadable": []}
EXPORT_IN: list[JsonValue] = [
    {"format": "edl", "fps": 25, "search": {"q": "a red bus", "limit": 50}},
    {"format": "csv", "moment_ids": [_MOMENT_ID], "space": _SPACE},
]
REPLAY_IN: list[JsonValue] = [{"code": "no_frames"}, {"tenant": "acme", "stage": DECODE, "state": "parked"}]
GRANT_IN: JsonDict = {"role": "viewer", "holder": "team:cutters", "project": "news", "days": 30}
TEAM_IN: JsonDict = {"members": ["oidc:https://idp.example#ana", "service:acme/newsroom"]}
KEY_NARROWED_IN: JsonDict = {"roles": ["viewer"], "days": 7}
KEY_IN: JsonDict = {"owner": "newsroom", "project": "news", "roles": ["viewer"], "days": 90}

ANSWER: JsonDict = {
    "space": _SPACE,
    "hits": [
        {
            "tenant": "acme",
            "project": "news",
            "asset_id": _ASSET_ID,
            "asset": _ASSET_PATH,
            **_TIMES,
            "score": 0.3205,
            "strength": "strong",
            "weak": False,
            "why": "similarity 0.320, place 1",
            "caption": "Possibly bus and street.",
            "caption_method": "template",
            "tags": _TAGS,
            "labels": ["show=pilot"],
            "moderation_nsfw": 0.0031,
            "not_looked_for": [],
            "moment_ids": [_MOMENT_ID],
            "published_at_ms": _TIME_MS,
            "thumbnail": _THUMBNAIL,
        }
    ],
    "all_weak": False,
    "next": None,
    "end": "all",
    "freshness": None,
}
FACETS: JsonDict = {
    "space": _SPACE,
    "moments": 240,
    "complete": True,
    "tags": [{"value": "bus", "count": 31}],
    "kinds": [{"value": "visual", "count": 240}],
    "labels": [{"value": "show=pilot", "count": 240}],
    "projects": [{"value": "news", "count": 240}],
    "tenants": [{"value": "acme", "count": 240}],
    "moderation_nsfw": [{"start": 0.0, "end": 0.2, "count": 240}],
}
MOMENT_DETAIL: JsonDict = {
    "space": _SPACE,
    "tenant": "acme",
    "project": "news",
    "asset_id": _ASSET_ID,
    "asset": _ASSET_PATH,
    "media": f"{_ASSET_PATH}/media",
    "labels": ["show=pilot"],
    "moment": _MOMENT,
    "text": "Possibly bus and street. bus",
    "segment": 1,
    "epoch_ms": _TIME_MS,
    "published_at_ms": _TIME_MS,
    "models": [{"role": "tagger", "name": "clip-vit-base-patch32", "version": "1", "digest": "c3a4f2d1"}],
}
ASSET: JsonDict = {
    "tenant": "acme",
    "project": "news",
    "asset_id": _ASSET_ID,
    "path": _ASSET_PATH,
    "status": "ready",
    "segments": 3,
    "segments_done": 3,
    "duration_s": 27.5,
    "missing_s": [],
    "damaged_s": [],
    "notes": [],
    "code": None,
    "reason": None,
    "labels": ["show=pilot"],
    "searchable": True,
    "updated_at_ms": _TIME_MS,
}
ASSETS: JsonDict = {"assets": [ASSET], "next": None}
ASSET_DETAIL: JsonDict = {
    "asset": ASSET,
    "stages": _PROGRESS,
    "media": f"{_ASSET_PATH}/media",
    "sprite": f"{_ASSET_PATH}/sprite.vtt",
    "space": _SPACE,
    "shots": [{"kind": "visual", "times": _TIMES}],
    "moments": [_MOMENT],
    "tags": [{"label": "bus", "kind": "visual", "start_s": 12.04, "end_s": 15.48, "score": 0.8712}],
    "not_looked_for": [],
    "complete": True,
}
DEAD_LETTER: JsonDict = {
    "letter_id": "5d41402abc4b2a76b9719d911017c592",
    "state": "open",
    "replaying": False,
    "replays": 0,
    "tenant": "acme",
    "asset_id": _ASSET_ID,
    "asset": _ASSET_PATH,
    "stage": DECODE,
    "topic": "spans",
    "partition": 0,
    "offset": 17,
    "append_time_ms": _TIME_MS,
    "failed_at_ms": _TIME_MS + 2_000,
    "attempts": 1,
    "code": "no_frames",
    "message": "the footage has no picture that can be decoded",
    "what_to_do": "Check that the upload is complete, and publish it again.",
    "event_type": "span",
    "value_bytes": 812,
}
DEAD_LETTERS: JsonDict = {"dead_letters": [DEAD_LETTER], "complete": True}
REPLAY: JsonDict = {"letter_ids": [DEAD_LETTER["letter_id"]], "complete": True}
UPLOAD: JsonDict = {
    "upload_id": "9f86d081884c7d659a2feaa0c55ad015",
    "path": "/v1/uploads/9f86d081884c7d659a2feaa0c55ad015",
    "tenant": "acme",
    "project": "news",
    "name": "bus.mp4",
    "profile": "full",
    "labels": {"show": "pilot"},
    "size_bytes": 1_048_576,
    "received_bytes": 0,
    "state": "receiving",
    "code": None,
    "asset_id": "uploads/9f86d081884c7d659a2feaa0c55ad015/bus.mp4",
    "asset": "/v1/assets/acme/uploads%2F9f86d081884c7d659a2feaa0c55ad015%2Fbus.mp4",
    "asset_known": False,
    "created_ms": _TIME_MS,
    "expires_ms": _TIME_MS + _DAY_MS,
}
UPLOADS: JsonDict = {"uploads": [UPLOAD]}
ME: JsonDict = {
    "principal": "service:acme/newsroom",
    "everywhere": False,
    "actions": {"search": [{"tenant": "acme", "project": None}], "play": [{"tenant": "acme", "project": "news"}]},
}
DECISION: JsonDict = {"allowed": True, "reasons": [_REASON]}
GRANT: JsonDict = {
    "tenant": "acme",
    "project": "news",
    "role": "viewer",
    "holder": "team:cutters",
    "until_ms": _TIME_MS + 30 * _DAY_MS,
    "given_by": "oidc:https://idp.example#ana",
    "given_at_ms": _TIME_MS,
}
TEAM: JsonDict = {"tenant": "acme", "name": "cutters", **TEAM_IN}
ACCESS: JsonDict = {"grants": [GRANT], "teams": [TEAM], "keys": [_KEY]}
KEY: JsonDict = _KEY
NEW_KEY: JsonDict = {**_KEY, "key": "rsk_…"}
AUDIT_EVENTS: JsonDict = {
    "events": [
        {
            "sequence": 41,
            "time_ms": _TIME_MS,
            "what": "search: searched",
            "actor": "service:acme/newsroom",
            "session": "k1f2e3d4c5b6a",
            "origin": "192.0.2.7",
            "status": "Success",
            "status_code": None,
            "count": 1,
            "duration_ms": 12,
            "tenant": "acme",
            "about": [],
            "correlation": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        }
    ],
    "complete": False,
    "checkpoint": "rushes/service\n42\nmvvkHZ1xsNNyrpaIpvCmB4d3MPRMD8hzbCyy9Y9ro3U=\n",
}
