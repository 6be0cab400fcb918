-- Laravel 12, its first migration and Fortify's, with soft deletes and sessions in the database.
CREATE TABLE users (
    id {id},
    name varchar(255) NOT NULL DEFAULT '',
    email varchar(255) NOT NULL UNIQUE,
    email_verified_at {time} NULL,
    password varchar(255) NULL,
    remember_token varchar(100) NULL,
    two_factor_confirmed_at {time} NULL,
    customer_number bigint NULL,
    created_at {time} NULL,
    updated_at {time} NULL,
    deleted_at {time} NULL
);
CREATE TABLE sessions (
    id varchar(255) NOT NULL PRIMARY KEY,
    user_id bigint NULL,
    ip_address varchar(45) NULL,
    user_agent text NULL,
    payload text NOT NULL,
    last_activity integer NOT NULL
);
