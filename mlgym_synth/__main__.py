"""`python -m mlgym_synth` is `mlgym-synth`."""

from mlgym_synth.cli import main

main()
