"""The health of outgoing mail, for staff: the queue, what went wrong and why, a pause, a retry."""
