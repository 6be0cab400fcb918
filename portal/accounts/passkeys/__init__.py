"""Passkeys (WebAuthn): sign in without a password, and a factor that no false page can ask for."""
