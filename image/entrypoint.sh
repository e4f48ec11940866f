#!/bin/sh
# Stands before code-server on the image's PATH, so that the task definition starts either image in the same way:
# waits for the challenge, installs offline what it brings along, and becomes code-server.
set -eu

editor=/usr/lib/code-server/bin/code-server
share=/usr/share/prequel

for folder; do :; done
case ${folder:-} in
/*) ;;
*) exec "$editor" "$@" ;; # no folder to open, such as --version
esac

# The loader makes the candidate the folder's owner when all is there, and not before.
seconds=${CHALLENGE_WAIT_SECONDS:-60}
until [ -w "$folder" ]; do
  if [ "$seconds" -le 0 ]; then
    echo "$folder was not delivered" >&2
    exit 1
  fi
  sleep 1
  seconds=$((seconds - 1))
done

# Below vendor/ lie wheels, or the tarballs that package.json names. A challenge that cannot be prepared stops here:
# its author learns it from `prequel interview create`, and no candidate from the tests.
cd "$folder"
if [ -d vendor ] && [ -f requirements.txt ]; then
  python3 -m venv "$HOME/.venv"
  PATH=$HOME/.venv/bin:$PATH
  export PATH
  pip install --quiet --disable-pip-version-check --no-index --find-links vendor --requirement requirements.txt
fi
if [ -d vendor ] && [ -f package.json ]; then
  npm install --offline --ignore-scripts --no-audit --no-fund --silent
fi

settings=$HOME/.local/share/code-server/User/settings.json
if [ ! -e "$settings" ]; then
  mkdir -p "$(dirname "$settings")"
  cp "$share/settings.json" "$settings"
fi

exec "$editor" --extensions-dir "$share/extensions" "$@"
