"""What people who are left out of notices come to, taken together."""
