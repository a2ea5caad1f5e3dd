"""Pages of the application, one module a page."""
