# syntax=docker/dockerfile:1
# The operator's image: python slim, the locked dependencies, the wheel, an unprivileged user.
# The digest is that of the index, one for all platforms. From a mirror: --build-arg BASE=NAME:TAG@sha256:...
ARG BASE=docker.io/library/python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source

# Dependencies first: they change less often than the code. Every file is checked against its hash.
COPY requirements.txt requirements-dev.txt ./
RUN python -m venv --without-pip /opt/outfitter \
 && pip --python /opt/outfitter/bin/python install --require-hashes --only-binary :all: -r requirements.txt

# What builds the wheel comes from the same lock, into this stage only.
RUN awk '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ {on = 1} on {print} !/\\$/ {on = 0}' requirements-dev.txt > build.txt \
 && pip install --require-hashes -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/outfitter/bin/python install --no-deps dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title=outfitter \
      org.opencontainers.image.description="Kubernetes operator for workload assets" \
      org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /opt/outfitter /opt/outfitter
# The root file system is read-only in the cluster: nothing is compiled, cached or written at run time.
ENV PATH=/opt/outfitter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1 HOME=/tmp
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["outfitter"]
CMD ["run"]
