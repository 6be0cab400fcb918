-- WordPress 6.8, `wp_get_db_schema()`, in standard SQL: its own database is MySQL.
CREATE TABLE wp_users (
    "ID" {id},
    user_login varchar(60) NOT NULL DEFAULT '',
    user_pass varchar(255) NOT NULL DEFAULT '',
    user_nicename varchar(50) NOT NULL DEFAULT '',
    user_email varchar(100) NOT NULL DEFAULT '',
    user_url varchar(100) NOT NULL DEFAULT '',
    user_activation_key varchar(255) NOT NULL DEFAULT '',
    user_status integer NOT NULL DEFAULT 0,
    display_name varchar(250) NOT NULL DEFAULT ''
);
