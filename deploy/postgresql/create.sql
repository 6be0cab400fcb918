-- The roles and the database of the portal, on this machine's PostgreSQL; what there is stays as it is:
--   runuser -u postgres -- psql --file=/srv/portal/app/deploy/postgresql/create.sql
-- Each of the portal's three users signs in as itself (peer authentication, Debian's default), so there is no password.
-- They act as the role that owns the tables, because any of them may run first after an upgrade.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE portal NOLOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portal') \gexec
SELECT format('CREATE ROLE %I LOGIN IN ROLE portal', name)
    FROM unnest(ARRAY['portal-web', 'portal-worker', 'portal-console']) AS name
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE "portal-web" SET role = 'portal';
ALTER ROLE "portal-worker" SET role = 'portal';
ALTER ROLE "portal-console" SET role = 'portal';
SELECT $$CREATE DATABASE portal OWNER portal TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'$$
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'portal') \gexec
REVOKE ALL ON DATABASE portal FROM PUBLIC;
\connect portal
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO portal;
