"""From drafts to the public and back: what publishing would do, at a set time, withdrawing, discarding."""
