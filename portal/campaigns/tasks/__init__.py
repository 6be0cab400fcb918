"""What the worker does for the notices' pages, and takes longer than an order may: count, and list people."""
