"""What follows when somebody says "this wasn't me": the account is locked, and its owner gets a link."""
