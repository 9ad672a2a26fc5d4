"""Names that pip's copy of distlib derives classes from and never uses: the real module is masked in this image."""

Transport = SafeTransport = ServerProxy = object
