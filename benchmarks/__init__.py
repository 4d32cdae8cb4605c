"""Commands that produce the figures quoted anywhere: `python -m benchmarks.NAME --help`.

Each prints tables and writes `benchmarks/results/NAME.json`, with the machine, the versions and the commit.
Benchmarks use the public names of the floors and the command line; nothing imports them but their tests.
"""
