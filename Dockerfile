ARG NODE=26.10.0-trixie-slim
ARG GO=1.26.8-trixie

# The version that the tests use too: test/cluster/go/go.mod.
FROM golang:${GO} AS kustomize
ARG KUSTOMIZE=v5.8.1
RUN CGO_ENABLED=0 GOBIN=/opt/kustomize go install -trimpath -ldflags '-s -w' \
    sigs.k8s.io/kustomize/kustomize/v5@${KUSTOMIZE}

FROM node:${NODE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --no-progress --loglevel=error
COPY rolldown.config.ts tsconfig.json ./
COPY src src
RUN npm run --silent build

FROM node:${NODE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git openssh-client tini \
    && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx \
    && useradd --uid 65532 --no-create-home --home-dir /data --shell /usr/sbin/nologin nopea \
    && install --directory --owner=65532 --group=65532 --mode=0700 /data
COPY --from=build /build/dist /opt/nopea
COPY --from=kustomize /opt/kustomize/kustomize /opt/nopea/kustomize
COPY LICENSE /opt/nopea/LICENSE
RUN ln -s /opt/nopea/nopea.js /usr/local/bin/nopea
# A small young generation and few malloc arenas: a controller of many repositories stays a third smaller.
ENV NODE_ENV=production NOPEA_DATA_DIR=/data \
    NODE_OPTIONS=--max-semi-space-size=4 MALLOC_ARENA_MAX=2
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["tini", "--", "nopea"]
CMD ["controller"]
