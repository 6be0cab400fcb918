"""A new password: guided or required, chosen well, and stored once."""
