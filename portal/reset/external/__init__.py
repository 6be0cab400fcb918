"""A new password in a company's own store: asked for by sealed job, and stored outside any transaction."""
