"""Status updates by email: double opt-in, one-click unsubscribe."""
