"""The affected list: its import, its versions, and the private answer to "am I affected?"."""
