-- A journal as format 1 wrote it: no checksums, no index by task.
PRAGMA application_id = 1399157872;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  set_name TEXT,
  task_id TEXT,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_set ON events (set_name) WHERE set_name IS NOT NULL;
CREATE TABLE snapshots (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO meta VALUES ('schema', '1'), ('created', '2026-11-01T08:00:00.000Z'), ('fleet', 'main');
INSERT INTO snapshots VALUES (1, '{"version":1,"sequence":1,"plans":0,"revision":{"commit":"c1","atMs":1000},"rejected":null,"sets":[],"hosts":[],"holds":[],"confirmed":[],"uninventoried":["a-1"],"running":[]}');
INSERT INTO events VALUES
  (1, 1000, 'revision.accepted', NULL, NULL, '{"commit":"c1","hosts":["a-1"]}'),
  (2, 1001, 'task.opened', 'web', 't1', '{"set":"web","taskId":"t1","trigger":"create","commit":"c1","goal":"g1"}'),
  (3, 1002, 'slot.placed', 'web', 't1', '{"set":"web","index":0,"claim":{"generation":1,"host":"a-1","ip":null,"resources":{"cpuMillis":500,"memoryBytes":1,"diskBytes":0,"ingressBps":0,"egressBps":0},"hostPorts":[],"exclusive":false,"core":false,"taskId":"t1","why":"fits"}}');
