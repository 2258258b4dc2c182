"""The ownership tree: server, listeners, link, client, channel, writer, worker."""
