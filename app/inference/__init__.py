"""What is predicted: requests, jobs, the worker, stored results, scoring."""

import os

# Waiting threads of torch would otherwise spin: where other processes need the cores too, that made
# a job several times slower. OpenMP reads it when torch is first imported, which is after this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
