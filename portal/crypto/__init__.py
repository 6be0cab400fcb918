"""Keys, tokens, the vault, its self-test, and slots for costly hashes."""
