"""Blocklists at full size: files of hashes and range requests, for every new password."""
