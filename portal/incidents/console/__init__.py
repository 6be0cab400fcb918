"""The staff's pages: the statement's editor, its publication, and the timeline's composer."""
