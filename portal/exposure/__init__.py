"""The affected lists: import, versions, and the private answer to "am I affected?"."""
