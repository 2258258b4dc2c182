"""A display that shows at once that everything works."""

from spicetrio.sources.demo.desk import serve_demo

__all__ = ["serve_demo"]
