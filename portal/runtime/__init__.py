"""What a process is made of: its parts, a command's context, the schema, backups, the doctor."""
