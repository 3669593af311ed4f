"""Who calls: credentials of the metadata and of the connection, what they are checked against, and who is refused."""
