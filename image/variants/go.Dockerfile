# The candidate's image with Go. Another language is these same lines with another package:
#
#   docker build --build-arg EDITOR=<repository>:<tag> --tag <repository>:<tag>-go --file image/variants/go.Dockerfile image
ARG EDITOR
FROM ${EDITOR}
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends golang-go && rm -rf /var/lib/apt/lists/*
USER 1000:1000
