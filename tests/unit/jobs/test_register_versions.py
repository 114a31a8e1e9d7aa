"""Registers of earlier releases become those of this one, with what is in them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from stream.jobs.budgets import Budgets
from stream.jobs.register import JobRegister

VERSION_2 = """
CREATE TABLE job (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, project TEXT NOT NULL, spec TEXT NOT NULL,
  rank INTEGER NOT NULL, priority INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, state TEXT NOT NULL,
  code TEXT NOT NULL, message TEXT NOT NULL, submitted_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER,
  total INTEGER NOT NULL, waiting INTEGER NOT NULL, budget_cpu_s REAL, variant_cpu_s REAL, generation INTEGER
  NOT NULL DEFAULT 1, trace TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, canceled INTEGER NOT NULL DEFAULT 0,
  cpu_s REAL NOT NULL DEFAULT 0, gpu_s REAL NOT NULL DEFAULT 0, wall_s REAL NOT NULL DEFAULT 0,
  read_bytes INTEGER NOT NULL DEFAULT 0, written_bytes INTEGER NOT NULL DEFAULT 0,
  wasted_cpu_s REAL NOT NULL DEFAULT 0, reserved_cpu_s REAL NOT NULL DEFAULT 0,
  computed INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0, stages TEXT NOT NULL,
  UNIQUE (tenant, name));
CREATE INDEX job_open ON job (state, rank, tenant);
CREATE TABLE variant (
  job INTEGER NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
  stage INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
  cpu_s REAL NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, number)) WITHOUT ROWID;
CREATE INDEX variant_state ON variant (job, state, number);
CREATE TABLE finished (
  job INTEGER NOT NULL, number INTEGER NOT NULL, stage INTEGER NOT NULL, key TEXT NOT NULL, outputs TEXT NOT NULL,
  PRIMARY KEY (job, number, stage)) WITHOUT ROWID;
CREATE TABLE need (
  job INTEGER NOT NULL, number INTEGER NOT NULL, stage INTEGER NOT NULL, kind TEXT NOT NULL, part INTEGER NOT NULL,
  task INTEGER, stage_key TEXT NOT NULL, outputs TEXT, parts TEXT,
  PRIMARY KEY (job, number, stage, kind, part)) WITHOUT ROWID;
CREATE INDEX need_task ON need (task);
CREATE TABLE task (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL, job INTEGER NOT NULL, rank INTEGER NOT NULL,
  stage INTEGER NOT NULL, operator TEXT NOT NULL, body TEXT NOT NULL, asked INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0, reserved_cpu_s REAL NOT NULL DEFAULT 0, UNIQUE (tenant, key));
CREATE INDEX task_turn ON task (asked, rank, tenant);
CREATE TABLE rate (operator TEXT NOT NULL, kind TEXT NOT NULL, cpu_s REAL NOT NULL, PRIMARY KEY (operator, kind))
  WITHOUT ROWID;
"""
TABLES = ("job", "variant", "finished", "need", "task", "rate", "notice", "tenant")


def test_a_register_of_version_2_is_brought_to_this_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        old.executescript(f"{VERSION_2} PRAGMA user_version = 2;")
        old.execute(
            "INSERT INTO task (tenant, key, job, rank, stage, operator, body, asked)"
            " VALUES ('acme', 'k', 1, 2, 0, 'a part', '', 1)"
        )
        old.execute(
            "INSERT INTO job (tenant, name, project, spec, rank, priority, deadline_ms, state, code, message,"
            " submitted_ms, total, waiting, trace, cpu_s, stages)"
            " VALUES ('acme', 'j', 'p', '', 2, 0, 0, 'done', '', '', 0, 1, 0, '', 7.5, '[]')"
        )
        old.commit()
    with closing(JobRegister(tmp_path / "old.sqlite")) as brought, closing(JobRegister(tmp_path / "new.sqlite")) as new:
        for table in TABLES:
            assert columns(brought, table) == columns(new, table), table
        task = brought.task("acme", "k")
        assert task is not None
        assert Budgets(brought).tenant("acme").used_cpu_s == 7.5
        assert (task.operator, task.kind, task.amount, task.asked) == ("a", "part", None, True)
    # Once: a second opening finds a register of this release.
    JobRegister(tmp_path / "old.sqlite").close()


def columns(register: JobRegister, table: str) -> set[str]:
    return {str(row["name"]) for row in register.all(f"SELECT name FROM pragma_table_info('{table}')")}
