"""What happened to an account: stored for its owner, and mailed with a link that says "this wasn't me"."""
