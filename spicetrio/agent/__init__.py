"""The agent: who answers viewers about clipboards, files and monitors, besides the picture (spec section 8)."""
