"""Bytes to messages and back: no Trio, no clock, no socket."""
