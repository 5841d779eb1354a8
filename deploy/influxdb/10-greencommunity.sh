#!/bin/bash
# Run once by InfluxDB's image after it has set itself up: the name InfluxQL
# knows the bucket by, the two users with no more rights than they need, and
# hourly values that outlive the single readings. Without containers, with
# influx configured for an administrator:
#
#   DOCKER_INFLUXDB_INIT_ORG=bureau DOCKER_INFLUXDB_INIT_BUCKET_ID=… SECRETS=DIR TOKENS=DIR ./10-greencommunity.sh
set -euo pipefail
secrets=${SECRETS:-/run/secrets} tokens=${TOKENS:-/tokens}
org=$DOCKER_INFLUXDB_INIT_ORG bucket=$DOCKER_INFLUXDB_INIT_BUCKET_ID

# InfluxQL asks for a database and a retention policy.
influx v1 dbrp create --org "$org" --bucket-id "$bucket" --db facilities --rp autogen --default

# Grafana reads, by InfluxQL alone.
influx v1 auth create --org "$org" --username grafana --password "$(cat "$secrets/grafana_influxdb_password")" --read-bucket "$bucket"

# The ingester writes, and reads nothing.
umask 022
influx auth create --org "$org" --description ingester --write-bucket "$bucket" --json |
  sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' | head -n 1 > "$tokens/ingester"
[ -s "$tokens/ingester" ]

# Ten years of hours: registers by their last value, all else by its mean.
influx bucket create --org "$org" --name facilities_1h --retention 87600h
hours=$(influx bucket list --org "$org" --name facilities_1h --hide-headers | cut -f 1)
influx v1 dbrp create --org "$org" --bucket-id "$hours" --db facilities_1h --rp autogen --default
influx task create --org "$org" --file "$(dirname "$0")/hourly.flux"
