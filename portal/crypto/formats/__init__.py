"""The formats of password hashes that other systems made: tell them apart, verify them, write some."""
