#!/bin/sh
# Publishes a file as an asset event with kcat: CloudEvents in structured mode.
#
#     apt-get install kcat
#     sh publish-asset.sh localhost:9092 assets interview.mov asset.json
#
# The third argument is the record's key. Give the asset id, so that the events of an asset stay in order.
set -eu
if [ "$#" -ne 4 ]; then
  echo "usage: publish-asset.sh SERVERS TOPIC ASSET_ID EVENT_FILE" >&2
  exit 2
fi
kcat -P -b "$1" -t "$2" -k "$3" -H "content-type=application/cloudevents+json" "$4"
