"""What admins saved over the environment's settings: what people see of the organisation."""
