"""Who is staff: inviting people, changing roles, removing them."""
