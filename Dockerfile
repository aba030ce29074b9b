# One image for web, workers and beat; docker-compose.yml says which command each runs.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    PATH=/srv/slipway/.venv/bin:$PATH

# Slipway itself can be a vantage point of probes.
RUN apt-get update && apt-get install -y --no-install-recommends iputils-ping && rm -rf /var/lib/apt/lists/*

# A fixed number, so that the owner of the volume is the same in every image.
RUN useradd --uid 10001 --create-home --home-dir /srv/slipway slipway
WORKDIR /srv/slipway

# Dependencies first: they change less often than the code. The tool that installs them does not stay in .venv.
COPY pyproject.toml uv.lock ./
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv \
    && /opt/uv/bin/uv sync --frozen --no-dev --no-cache --compile-bytecode \
    && rm -rf /opt/uv

COPY manage.py ./
COPY fleet fleet
COPY inventory inventory
COPY custom_napalm custom_napalm
COPY playbooks playbooks
COPY templates templates
COPY static static

# Nothing is written when it runs: else each process and each health check would compile all that it imports (5.5 s of
# CPU a start instead of 1.5).
RUN python -m compileall -q fleet inventory custom_napalm playbooks

# The secret key of the build is thrown away: it is only there so that the settings load.
RUN install -d -o slipway -g slipway var /etc/slipway \
    && SLIPWAY_SECRET_KEY=build-only SLIPWAY_VAR=/tmp/build python manage.py check \
    && rm -rf /tmp/build

USER slipway
VOLUME /srv/slipway/var
EXPOSE 8000
CMD ["uvicorn", "fleet.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
