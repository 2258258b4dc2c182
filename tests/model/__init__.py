"""Sessions of a server that nobody thought of beforehand, held to a naive model of what everybody must see."""
