"""The builtin store: accounts in the portal's own database."""
