#!/bin/sh
# What our build checks.
set -eu

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "not formatted, run gofmt -w: $unformatted" >&2
  exit 1
fi
go vet ./...
go test ./...
