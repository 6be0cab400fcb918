-- Django 6.0, `manage.py sqlmigrate auth` of all migrations together. {id} and {time} are the database's own.
CREATE TABLE auth_user (
    id {id},
    password varchar(128) NOT NULL,
    last_login {time} NULL,
    is_superuser boolean NOT NULL DEFAULT false,
    username varchar(150) NOT NULL UNIQUE,
    first_name varchar(150) NOT NULL DEFAULT '',
    last_name varchar(150) NOT NULL DEFAULT '',
    email varchar(254) NOT NULL,
    is_staff boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    date_joined {time} NOT NULL DEFAULT CURRENT_TIMESTAMP
);
