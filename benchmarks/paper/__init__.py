"""The paper reproduced: one command per experiment, `python -m benchmarks.paper.NAME`."""
