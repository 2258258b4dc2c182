"""One module a channel kind: the Channel that the application holds, and its ChannelClient, one a viewer."""
