"""What an operator watches: figures that are cheap to read, whoever asks for them."""
