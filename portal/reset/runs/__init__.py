"""Required resets from the console: count, ask a second person, then do it and show the progress."""
