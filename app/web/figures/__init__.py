"""Pure functions from arrays and metadata to Plotly figures."""
