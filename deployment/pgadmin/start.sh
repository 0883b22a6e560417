#!/bin/sh
# Writes the password of buydesk_readonly to pgAdmin's password file before pgAdmin starts, so that users need not enter it.
set -eu

# pgAdmin reads a password file only from its user's storage folder, which is named after the e-mail address.
storage=/var/lib/pgadmin/storage/$(printf '%s' "$PGADMIN_DEFAULT_EMAIL" | tr '@' '_')

# The file is written at every start, because the password may have changed. libpq ignores a password file that other users
# can read.
umask 077
mkdir -p "$storage"
# pgpass requires a backslash before a colon or a backslash in the password.
password=$(printf '%s' "$POSTGRES_READONLY_PASSWORD" | sed 's/[\\:]/\\&/g')
printf 'postgres:5432:*:buydesk_readonly:%s\n' "$password" >"$storage/.pgpass"
unset POSTGRES_READONLY_PASSWORD password

exec /entrypoint.sh "$@"
