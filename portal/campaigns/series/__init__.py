"""The series of notices about an incident: whom each is for, its waves, and how far it is."""
