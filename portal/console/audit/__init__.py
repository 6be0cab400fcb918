"""The audit log in plain words, for staff: who did what, with whom, or without a second person."""
