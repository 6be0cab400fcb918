"""How staff sign in: passkeys, passwords with codes, recovery codes, invitations."""
