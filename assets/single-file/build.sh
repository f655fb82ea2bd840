#!/bin/sh
# Builds podman-wizard.pyz here, or the file that is named, from the versions in uv.lock:
#
#     sh assets/single-file/build.sh [FILE]
#
# PYTHON says for which Python (python3). What is packed, and what packs it, is held against the hashes in uv.lock.
set -eu
file=${1:-podman-wizard.pyz}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

locked() { # the requirements of a part of uv.lock, with their hashes; fails where pyproject.toml has gone on without it
  uv export --quiet --locked --project "$root" --no-emit-project "$@" --output-file "$work/locked.txt" >&2
  echo "$work/locked.txt"
}

"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/pip" install -qq --disable-pip-version-check uv
PATH="$work/tools/bin:$PATH" VIRTUAL_ENV="$work/tools"
export PATH VIRTUAL_ENV UV_PYTHON="$work/tools/bin/python" UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
uv pip install --quiet --require-hashes --requirement "$(locked --only-group single-file)"
uv pip install --quiet --require-hashes --requirement "$(locked)" --target "$work/packed"
uv pip install --quiet --no-deps --no-build-isolation "$root" --target "$work/packed"
shiv --console-script podman-wizard --site-packages "$work/packed" --output-file "$work/body.pyz"

cat "$root/assets/single-file/head.sh" "$work/body.pyz" > "$work/whole.pyz"
chmod +x "$work/whole.pyz"
mv -f "$work/whole.pyz" "$file"
