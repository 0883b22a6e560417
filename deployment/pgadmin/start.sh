#!/bin/sh
# Gives pgAdmin the password of buydesk_readonly before it starts, so that nobody types it in or keeps it in a file of
# their own.
set -eu

# pgAdmin reads a password file only out of its user's own storage folder, which is named after the e-mail address.
storage=/var/lib/pgadmin/storage/$(printf '%s' "$PGADMIN_DEFAULT_EMAIL" | tr '@' '_')

# At every start, and not only at the first: the password may have changed. The database's client wants the file to be
# readable by its owner alone.
umask 077
mkdir -p "$storage"
# pgpass's own escapes, for a password with a colon or a backslash in it.
password=$(printf '%s' "$POSTGRES_READONLY_PASSWORD" | sed 's/[\\:]/\\&/g')
printf 'postgres:5432:*:buydesk_readonly:%s\n' "$password" >"$storage/.pgpass"
unset POSTGRES_READONLY_PASSWORD password

exec /entrypoint.sh "$@"
