"""Files that staff send, read as they come."""
