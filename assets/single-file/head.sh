#!/bin/sh
# The head of podman-wizard.pyz. It unpacks itself once, into ~/.shiv; where that cannot be, into a private folder.
usable() { mkdir -p -m 700 "$1" 2>/dev/null && [ -O "$1" ] && [ ! -L "$1" ] && [ -w "$1" ]; }
if [ -z "$SHIV_ROOT" ] && ! usable "$HOME/.shiv"; then
    SHIV_ROOT=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/podman-wizard-$(id -u)
    usable "$SHIV_ROOT" || SHIV_ROOT=$(mktemp -d) || exit 1
    export SHIV_ROOT
fi
exec "${PYTHON:-python3}" "$0" "$@"
