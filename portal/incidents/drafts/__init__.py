"""Texts that are being written: nobody but their authors sees them."""
