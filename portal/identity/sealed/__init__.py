"""Passwords on their way to a company's own store: sealed jobs that one worker process alone can open."""
