"""The tables of the register of jobs, and how those of an earlier release become these."""

VERSION = 8
_RATE = """
CREATE TABLE rate (
  operator TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL, tasks INTEGER NOT NULL, cpu_s REAL NOT NULL,
  cpu_variance REAL NOT NULL, wall_s REAL NOT NULL, written_bytes REAL NOT NULL,
  PRIMARY KEY (operator, kind, unit)) WITHOUT ROWID;
"""
_NOTICE = """
CREATE TABLE notice (
  id TEXT PRIMARY KEY, job INTEGER NOT NULL, made_ms INTEGER NOT NULL, body TEXT NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX notice_unsent ON notice (made_ms) WHERE sent = 0;
"""
_REVIEW = """
CREATE TABLE review (
  tenant TEXT NOT NULL, asset TEXT NOT NULL, project TEXT NOT NULL, made_ms INTEGER NOT NULL, body TEXT NOT NULL,
  sent TEXT NOT NULL DEFAULT '', verdict TEXT, looked_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, asset)) WITHOUT ROWID;
CREATE INDEX review_unsent ON review (sent) WHERE verdict IS NULL;
CREATE INDEX review_open ON review (looked_ms, made_ms) WHERE verdict IS NULL;
CREATE INDEX need_review ON need (stage_key) WHERE kind = 'review';
"""
_TENANT = """
CREATE TABLE tenant (
  tenant TEXT PRIMARY KEY, cpu_s REAL, since_ms INTEGER NOT NULL DEFAULT 0, used_cpu_s REAL NOT NULL DEFAULT 0,
  reserved_cpu_s REAL NOT NULL DEFAULT 0) WITHOUT ROWID;
"""
_USED = """
INSERT INTO tenant (tenant, used_cpu_s, reserved_cpu_s)
  SELECT tenant, SUM(cpu_s), SUM(reserved_cpu_s) FROM job GROUP BY tenant;
"""
SCHEMA = (
    """
CREATE TABLE job (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, project TEXT NOT NULL, spec TEXT NOT NULL,
  rank INTEGER NOT NULL, priority INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, state TEXT NOT NULL,
  code TEXT NOT NULL, message TEXT NOT NULL, submitted_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER,
  total INTEGER NOT NULL, waiting INTEGER NOT NULL, budget_cpu_s REAL, variant_cpu_s REAL,
  trace TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, canceled INTEGER NOT NULL DEFAULT 0,
  blocked INTEGER NOT NULL DEFAULT 0,
  cpu_s REAL NOT NULL DEFAULT 0, gpu_s REAL NOT NULL DEFAULT 0, wall_s REAL NOT NULL DEFAULT 0,
  read_bytes INTEGER NOT NULL DEFAULT 0, written_bytes INTEGER NOT NULL DEFAULT 0,
  written_byte_ms REAL NOT NULL DEFAULT 0, delivered_bytes INTEGER NOT NULL DEFAULT 0,
  wasted_cpu_s REAL NOT NULL DEFAULT 0, wasted_gpu_s REAL NOT NULL DEFAULT 0, reserved_cpu_s REAL NOT NULL DEFAULT 0,
  computed INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0, stages TEXT NOT NULL,
  closed INTEGER NOT NULL DEFAULT 0, UNIQUE (tenant, name));
CREATE INDEX job_open ON job (state, rank, tenant);
CREATE TABLE variant (
  job INTEGER NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
  stage INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
  cpu_s REAL NOT NULL DEFAULT 0, gpu_s REAL NOT NULL DEFAULT 0, wasted_cpu_s REAL NOT NULL DEFAULT 0,
  wasted_gpu_s REAL NOT NULL DEFAULT 0, written_bytes INTEGER NOT NULL DEFAULT 0, written_byte_ms REAL NOT NULL
  DEFAULT 0, delivered_bytes INTEGER NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0,
  manifest TEXT NOT NULL DEFAULT '', released INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, number)) WITHOUT ROWID;
CREATE INDEX variant_state ON variant (job, state, number);
CREATE TABLE finished (
  job INTEGER NOT NULL, number INTEGER NOT NULL, stage INTEGER NOT NULL, key TEXT NOT NULL, outputs TEXT NOT NULL,
  amount REAL, PRIMARY KEY (job, number, stage)) WITHOUT ROWID;
CREATE TABLE need (
  job INTEGER NOT NULL, number INTEGER NOT NULL, stage INTEGER NOT NULL, kind TEXT NOT NULL, part INTEGER NOT NULL,
  task INTEGER, stage_key TEXT NOT NULL, outputs TEXT, parts TEXT, amount REAL,
  PRIMARY KEY (job, number, stage, kind, part)) WITHOUT ROWID;
CREATE INDEX need_task ON need (task);
CREATE TABLE task (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL, job INTEGER NOT NULL, rank INTEGER NOT NULL,
  stage INTEGER NOT NULL, operator TEXT NOT NULL, kind TEXT NOT NULL, amount REAL, body TEXT NOT NULL,
  asked INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, reserved_cpu_s REAL NOT NULL DEFAULT 0,
  asked_ms INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, key));
CREATE INDEX task_turn ON task (asked, rank, tenant);
"""
    + _RATE
    + _NOTICE
    + _REVIEW
    + _TENANT
)
CHANGES = {
    2: "ALTER TABLE task ADD COLUMN asked_ms INTEGER NOT NULL DEFAULT 0;",
    3: """
ALTER TABLE job DROP COLUMN generation;
ALTER TABLE job ADD COLUMN wasted_gpu_s REAL NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN written_byte_ms REAL NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN delivered_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN wasted_gpu_s REAL NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN written_byte_ms REAL NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN delivered_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN gpu_s REAL NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN wasted_cpu_s REAL NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN written_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE finished ADD COLUMN amount REAL;
ALTER TABLE need ADD COLUMN amount REAL;
ALTER TABLE task ADD COLUMN amount REAL;
ALTER TABLE task ADD COLUMN kind TEXT NOT NULL DEFAULT '';
UPDATE task SET
  kind = substr(operator, instr(operator, ' ') + 1), operator = substr(operator, 1, instr(operator, ' ') - 1);
DROP TABLE rate;
"""
    + _RATE,
    4: "ALTER TABLE variant ADD COLUMN manifest TEXT NOT NULL DEFAULT '';" + _NOTICE,
    5: "ALTER TABLE job ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;",
    6: """
ALTER TABLE job ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
"""
    + _REVIEW,
    7: _TENANT + _USED,
}
"""From each earlier version to the next one."""
