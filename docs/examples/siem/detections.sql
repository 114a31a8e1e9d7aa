-- Three detections over the files of `rushes audit export parquet:PATH`: run it in PATH with DuckDB.
CREATE OR REPLACE VIEW events AS
SELECT DISTINCT ON (metadata.uid) * FROM read_parquet('ext/*/*/*/*/*.parquet', union_by_name = true);

-- Many denials of one key or session, or of one address where nobody was known.
CREATE OR REPLACE VIEW many_denials AS
SELECT time_bucket(INTERVAL 10 MINUTE, to_timestamp(time / 1000)) AS since, actor.user.uid AS who,
       actor.session.uid AS key_id, src_endpoint.ip AS ip, count(*) AS denials
FROM events WHERE action_id = 2
GROUP BY ALL HAVING denials >= 10;

-- More moments taken out in an hour than somebody cuts with.
CREATE OR REPLACE VIEW bulk_exports AS
SELECT time_bucket(INTERVAL 1 HOUR, to_timestamp(time / 1000)) AS since, actor.user.uid AS who,
       metadata.tenant_uid AS tenant, sum("count") AS moments
FROM events WHERE class_uid = 6003 AND activity_id = 2 AND status_id = 1
GROUP BY ALL HAVING moments >= 1000;

-- A role that somebody gave to themself, also as a team that they put themself into.
CREATE OR REPLACE VIEW rights_to_oneself AS
SELECT to_timestamp(time / 1000) AS since, actor.user.uid AS who, metadata.tenant_uid AS tenant,
       privileges, "group".uid AS team
FROM events WHERE status_id = 1
  AND (class_uid = 3005 AND activity_id = 1 AND "user".uid = actor.user.uid
       OR class_uid = 3006 AND list_contains(json_extract_string(unmapped, '$.members[*]'), actor.user.uid));

SELECT 'many denials' AS detection, since, who, concat_ws(' ', denials, 'denials, key', key_id, 'from', ip) AS what FROM many_denials
UNION ALL
SELECT 'bulk export', since, who, concat_ws(' ', moments, 'moments of', tenant) FROM bulk_exports
UNION ALL
SELECT 'right to oneself', since, who, concat_ws(' ', array_to_string(privileges, ','), team, 'in', tenant) FROM rights_to_oneself
ORDER BY since;
