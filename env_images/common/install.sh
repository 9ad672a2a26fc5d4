#!/bin/sh
# Makes a family of its base image, as root: the environment that agents see, and what MLGym expects of a container.
#   install.sh <requirements.txt> [<option of pip> …]
set -eu
here=$(dirname "$0")
requirements=$1
shift

# A base image that has them needs no package mirror.
if ! dpkg --status file gawk jq procps >/dev/null 2>&1; then
  apt-get update -qq
  apt-get install -qq --no-install-recommends file gawk jq procps >/dev/null
  rm -rf /var/lib/apt/lists/*
fi

# Two environments: /opt/runtime holds the pinned packages and nothing else; pip and flake8, which MLGym's runner calls
# outside of the task's environment, live in /opt/pip.
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
python3 -m venv --without-pip /opt/runtime
python3 -m venv /opt/pip
/opt/pip/bin/pip install --quiet --requirement "$here/tools.txt"
/opt/pip/bin/pip --python /opt/runtime install --quiet --no-deps --requirement "$requirements" "$@"
/opt/pip/bin/pip --python /opt/runtime check
/opt/pip/bin/pip uninstall --quiet --yes setuptools

groupadd mlgym
useradd --create-home --gid mlgym --shell /bin/bash agent
install -d -o agent -g mlgym /home/agent/workspace
chmod 755 /home/agent
install -m 644 "$here/conda.sh" "$here/path.sh" /etc/profile.d/

python3 "$here/mask.py"
# The official Python images have no bytecode of the standard library, and an agent could not keep its own.
python3 -m compileall -q "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')"
# pip loads a client of XML-RPC, which is masked, but never calls it.
cp -r "$here/xmlrpc" /opt/pip/lib/python3.*/site-packages/
/opt/pip/bin/pip install --quiet --no-index flake8

# Nobody becomes root inside.
find / -xdev -perm /6000 -type f -exec chmod ug-s {} +
