# docker build --tag cpner . && docker run --rm -p 127.0.0.1:8000:8000 -v cpner-store:/store \
#   -e CPNER_READ_KEY=... -e CPNER_ADMIN_KEY=... --read-only --tmpfs /tmp cpner
# torch for processors alone comes from its own index, which lacks the versions of other packages that we pin
FROM python:3.12-slim AS build
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --constraint constraints.txt \
        --index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple torch \
    && /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[server]"

FROM python:3.12-slim
COPY --from=build /venv /venv
RUN useradd --system --uid 10001 --create-home cpner && mkdir /store && chown cpner /store
USER 10001
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 MPLCONFIGDIR=/tmp \
    CPNER_STORE=/store CPNER_HOST=0.0.0.0 CPNER_PORT=8000
VOLUME /store
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["cpner", "serve"]
