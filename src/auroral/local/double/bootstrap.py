"""What PostgreSQL needs to look like DSQL: the `admin` role, the `sys` schema and its procedures, as SQL. Pure.

`sys.jobs`, `sys.wait_for_job` and `sys.iam_pg_role_mappings` are DSQL's; the other functions do what the dialect
rewrites statements into. Indexes are built within the statement; a job is `processing` for as long as the settings say.
"""

from __future__ import annotations

ROLES = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'admin') THEN CREATE ROLE admin LOGIN CREATEROLE; END IF;
END $$;
"""

DATABASE = """
ALTER SCHEMA public OWNER TO admin;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
DO $$ BEGIN
  EXECUTE format('GRANT ALL ON DATABASE %I TO admin', current_database());
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
CREATE SCHEMA IF NOT EXISTS sys;
GRANT USAGE ON SCHEMA sys TO PUBLIC;

CREATE TABLE IF NOT EXISTS sys._jobs (
  job_id text PRIMARY KEY, failed boolean NOT NULL, details text, job_type text NOT NULL, class_id oid NOT NULL,
  object_id oid, object_name text, start_time timestamptz NOT NULL, end_time timestamptz NOT NULL
);
CREATE OR REPLACE VIEW sys.jobs AS SELECT job_id,
  CASE WHEN clock_timestamp() < end_time THEN 'processing' WHEN failed THEN 'failed' ELSE 'completed' END AS status,
  details, job_type, class_id, object_id, object_name, start_time, least(end_time, clock_timestamp()) AS update_time
FROM sys._jobs;
GRANT SELECT ON sys.jobs TO PUBLIC;

CREATE TABLE IF NOT EXISTS sys._mappings (
  iam_oid bigint GENERATED ALWAYS AS IDENTITY, arn text NOT NULL, role oid NOT NULL, grantor oid NOT NULL,
  PRIMARY KEY (role, arn)
);
CREATE OR REPLACE VIEW sys.iam_pg_role_mappings AS SELECT m.iam_oid::oid AS iam_oid, m.arn, m.role AS pg_role_oid,
  r.rolname AS pg_role_name, m.grantor AS grantor_pg_role_oid, g.rolname AS grantor_pg_role_name
FROM sys._mappings m JOIN pg_roles r ON r.oid = m.role LEFT JOIN pg_roles g ON g.oid = m.grantor;
GRANT SELECT ON sys.iam_pg_role_mappings TO PUBLIC;

CREATE OR REPLACE FUNCTION sys._add_job(failed boolean, details text, kind text, class oid, object oid, name text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  made text := '';
  build_s float8 := coalesce(nullif(current_setting('auroral.index_build_s', true), ''), '0')::float8;
BEGIN
  -- 26 characters of base 32, as DSQL writes a UUID.
  FOR i IN 1..26 LOOP
    made := made || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + floor(random() * 32)::int, 1);
  END LOOP;
  INSERT INTO sys._jobs VALUES (made, failed, details, kind, class, object, name, clock_timestamp(),
    clock_timestamp() + make_interval(secs => build_s));
  RETURN made;
END $$;

CREATE OR REPLACE FUNCTION sys.create_index_async(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  newest oid; made oid; name text; wrong text;
BEGIN
  SELECT max(indexrelid::bigint)::oid INTO newest FROM pg_index;
  BEGIN
    EXECUTE sql;
  EXCEPTION WHEN unique_violation THEN
    -- DSQL finds that out while it builds: the statement has succeeded by then.
    wrong := 'found duplicate key(s) while validating index uniqueness';
  END;
  SELECT indexrelid INTO made FROM pg_index WHERE newest IS NULL OR indexrelid::bigint > newest::bigint
    ORDER BY indexrelid::bigint DESC LIMIT 1;
  SELECT n.nspname || '.' || c.relname INTO name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = made;
  RETURN sys._add_job(wrong IS NOT NULL, wrong, 'INDEX_BUILD', 1259, made, name);
END $$;

CREATE OR REPLACE FUNCTION sys.validate_constraint_async(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  wrong text;
BEGIN
  BEGIN
    EXECUTE sql;
  EXCEPTION WHEN check_violation OR foreign_key_violation THEN
    wrong := SQLERRM;
  END;
  RETURN sys._add_job(wrong IS NOT NULL, wrong, 'VALIDATE_CONSTRAINT', 2606, NULL, NULL);
END $$;

CREATE OR REPLACE PROCEDURE sys.wait_for_job(job text, INOUT succeeded boolean DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
  ends timestamptz;
  wrong boolean;
BEGIN
  IF job !~ '^[a-z2-7]{26}$' THEN
    RAISE EXCEPTION 'Unable to convert text to UUID' USING ERRCODE = '22P02';
  END IF;
  SELECT j.end_time, j.failed INTO ends, wrong FROM sys._wait(job) j;
  IF ends > clock_timestamp() THEN PERFORM pg_sleep(extract(epoch FROM ends - clock_timestamp())); END IF;
  succeeded := coalesce(NOT wrong, false);
END $$;

CREATE OR REPLACE FUNCTION sys._wait(job text, OUT end_time timestamptz, OUT failed boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
$$ SELECT j.end_time, j.failed FROM sys._jobs j WHERE j.job_id = job $$;

CREATE OR REPLACE PROCEDURE sys.iam_grant(role text, arn text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF arn !~ '^arn:[a-z-]+:(iam|sts)::[0-9]{12}:(role|user|assumed-role|root)' THEN
    RAISE EXCEPTION 'IAM role must look like an IAM ARN' USING ERRCODE = '22023';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role) THEN
    RAISE EXCEPTION 'Role % does not exist', role USING ERRCODE = '42704';
  END IF;
  INSERT INTO sys._mappings (arn, role, grantor)
    SELECT arn, r.oid, g.oid FROM pg_roles r, pg_roles g WHERE r.rolname = role AND g.rolname = session_user
    ON CONFLICT DO NOTHING;
END $$;

CREATE OR REPLACE PROCEDURE sys.iam_revoke(role text, arn text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  DELETE FROM sys._mappings m USING pg_roles r
    WHERE r.rolname = iam_revoke.role AND m.role = r.oid AND m.arn = iam_revoke.arn;
END $$;
REVOKE ALL ON PROCEDURE sys.iam_grant, sys.iam_revoke FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE sys.iam_grant, sys.iam_revoke TO admin;
"""

ADMISSION = """
SELECT r.rolcanlogin, EXISTS (SELECT FROM sys._mappings m WHERE m.role = r.oid AND m.arn = %s)
FROM pg_roles r WHERE r.rolname = %s
"""
"""Whether a role may log in and is mapped to an ARN."""

TABLES = """
SELECT n.nspname, c.relname,
  coalesce((SELECT array_agg(a.attname::text ORDER BY k.at) FROM pg_index i
    CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(column_number, at)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.column_number
    WHERE i.indrelid = c.oid AND i.indisprimary), '{}'),
  (SELECT json_object_agg(a.attname, t.typname ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sys')
"""
