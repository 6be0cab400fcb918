-- The roles and the database of the portal, on this machine's PostgreSQL; what there is stays as it is:
--   runuser -u postgres -- psql --file=/srv/portal/app/deploy/postgresql/create.sql
-- Each of the portal's three users signs in as itself (peer authentication, Debian's default), so there is no password.
-- Web server and worker act as the role that owns the tables, because either may run first after an upgrade.
-- The console does not. It gets its own rights after `portal db upgrade`, and after each upgrade again:
--   portal console grants > /var/tmp/rights.sql
--   runuser -u postgres -- psql --dbname=portal --file=/var/tmp/rights.sql
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE portal NOLOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portal') \gexec
SELECT format('CREATE ROLE %I LOGIN IN ROLE portal', name)
    FROM unnest(ARRAY['portal-web', 'portal-worker']) AS name
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT 'CREATE ROLE "portal-console" LOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portal-console') \gexec
ALTER ROLE "portal-web" SET role = 'portal';
ALTER ROLE "portal-worker" SET role = 'portal';
-- An earlier version of this file let it act as the owner.
ALTER ROLE "portal-console" RESET role;
REVOKE portal FROM "portal-console";
SELECT $$CREATE DATABASE portal OWNER portal TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'$$
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'portal') \gexec
REVOKE ALL ON DATABASE portal FROM PUBLIC;
GRANT CONNECT ON DATABASE portal TO "portal-console";
\connect portal
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO portal;
