"""The portal's settings, for staff to read: what people see, and what an operator set."""
