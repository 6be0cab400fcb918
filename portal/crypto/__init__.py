"""Keys, tokens, the vault, its self-test, and password hashing."""
