"""What is seen: pages, figures, tiles, the REST API, view state and its URL."""
