"""Second factors: one-time codes, recovery codes, and where they are asked for."""
