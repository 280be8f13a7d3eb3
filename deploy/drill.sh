#!/bin/sh
# A fire drill: back the running installation up, restore the backup into an empty place, verify it there.
# Nothing of the installation is changed. Run it every month, and before each upgrade.
#
#   deploy/drill.sh FOLDER        FOLDER must not exist; the backup stays in it, the restored copy does not.
#
# With PostgreSQL, DRILL_DATABASE_URL names an EMPTY database to restore into. PYTHON names the interpreter if it is
# not the one that `manage.py` finds by itself.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
manage="$(cd "$(dirname "$0")/.." && pwd)/manage.py"
python="${PYTHON:-python3}"
mkdir -m 700 "$1"
folder="$(cd "$1" && pwd)"

case "${DATABASE_URL:-}" in
postgres*)
    [ -n "${DRILL_DATABASE_URL:-}" ] || { echo "DRILL_DATABASE_URL must name an empty database" >&2; exit 2; }
    ;;
esac

# The secrets go along under a passphrase of this drill: without them the copy could not check a single key.
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/passphrase"
chmod 600 "$folder/passphrase"

"$python" "$manage" backup "$folder/backup.tar.gz" --with-secrets --passphrase-file "$folder/passphrase"
"$python" "$manage" backup "$folder/backup.tar.gz" --verify >/dev/null

elsewhere() (
    export CONTROLPLANE_HOME="$folder/elsewhere"
    export DATABASE_URL="${DRILL_DATABASE_URL:-}"
    unset CONTROLPLANE_SECRET_KEY CONTROLPLANE_KEY_PEPPERS CONTROLPLANE_ENCRYPTION_KEYS
    unset CONTROLPLANE_SECRET_KEY_FILE CONTROLPLANE_KEY_PEPPERS_FILE CONTROLPLANE_ENCRYPTION_KEYS_FILE
    unset CONTROLPLANE_DATABASE_PASSWORD_FILE
    "$python" "$manage" "$@"
)

elsewhere restore "$folder/backup.tar.gz" --with-secrets --passphrase-file "$folder/passphrase"
elsewhere audit_verify
elsewhere check --database default
rm -rf "$folder/elsewhere"
echo "drill passed: $folder/backup.tar.gz can be restored (its passphrase lies beside it: keep them apart)"
