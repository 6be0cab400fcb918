"""Rehearse an incident on a copy of the database, against a mailbox on this machine."""
