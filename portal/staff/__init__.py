"""Staff: members and their roles, sign-in, sessions, orders to the worker, and approvals."""
