"""The task model: MLGym's YAML, the recipe, the certificate, the suite folder, and registration."""
