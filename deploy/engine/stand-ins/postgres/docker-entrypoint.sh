#!/usr/bin/env bash
# Makes a database of POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB in an empty data folder; then
# the server takes this process's place. Whoever comes by TCP needs the password.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
    chown postgres: "$PGDATA" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ -s "$PGDATA/PG_VERSION" ]; then
    echo "$PGDATA has a database; Skipping initialization"
else
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    : "${POSTGRES_PASSWORD:?must be set: it becomes the password of the new database}"
    chmod 700 "$PGDATA"
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --encoding=UTF8 \
        --auth-local=trust --auth-host=scram-sha-256
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\";" | postgres --single postgres > /dev/null
    fi
    echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@"
