"""Models behind OpenAI-compatible endpoints, and the ledger of what they cost."""
