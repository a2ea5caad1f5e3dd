"""What is timed, never asserted in a test."""
