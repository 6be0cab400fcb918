"""What people may do with their data: take a copy along, and have their account erased."""
