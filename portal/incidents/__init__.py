"""The apology, its versions, the timeline and the feeds."""
