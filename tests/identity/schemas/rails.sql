-- Devise 4.9 on Rails 8, with a column of a company's own that ends sessions, and devise-two-factor's.
CREATE TABLE users (
    id {id},
    email varchar NOT NULL DEFAULT '',
    encrypted_password varchar NOT NULL DEFAULT '',
    reset_password_token varchar UNIQUE,
    reset_password_sent_at {time},
    remember_created_at {time},
    session_version integer,
    otp_required_for_login boolean,
    customer_number varchar,
    locale varchar,
    created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP
);
