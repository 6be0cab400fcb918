"""What processes are assembled from: parts, command context, schema, schedule, backups, doctor."""
