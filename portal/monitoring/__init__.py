"""What an operator watches: figures that are cheap to read at any size."""
