"""What is predicted: requests, jobs, the worker, stored results, scoring."""
