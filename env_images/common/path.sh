# Debian's /etc/profile, which a login shell reads first, has just put its own PATH in place of the image's.
export PATH=/opt/runtime/bin:/opt/pip/bin:$PATH
