"""What follows when an old address undoes a change: the account is locked, then restored, and gets a link."""
